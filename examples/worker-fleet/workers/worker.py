"""A worker of its own making with prometheus_client: one process, or a parent with children.

Mistakes: `job_id`, a label with the id of each job on the counter and a histogram (one process);
`pid`, gauges that keep the pid of every child that ever was (children); `buckets`, a histogram
with the client's default boundaries, which end at 10 s, for something that takes longer (children).
"""

import argparse
import json
import os
import shutil
import signal
import tempfile
import threading
import time
import uuid

MISTAKES = os.environ.get("MISTAKES", "").split(",")
TASKS = {"emails": "send", "reports": "build"}
WAIT_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300]
EXEC_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--children", type=int, default=0, help="0: one process")
    parser.add_argument("--child-seconds", type=float, default=15, help="a child is followed by another after so long")
    parser.add_argument("--linger", type=float, default=0, help="seconds to be scraped once more before the end")
    return parser.parse_args()


GIVEN = arguments()
SYSTEM = "prefork" if GIVEN.children else "single"
if GIVEN.children:
    # Read by prometheus_client when it is imported. Empty at each start, as it asks for.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="prefork-", dir=os.environ.get("FLEET_FILES"))

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess, start_http_server

import ledger
from orphans import end_with_the_parent

JOB_ID = ["job_id"] if "job_id" in MISTAKES and SYSTEM == "single" else []
GAUGE_MODE = "all" if "pid" in MISTAKES else "livesum"

JOBS = Counter("worker_jobs", "Jobs that reached a terminal state", ["queue", "task", "status", *JOB_ID])
INFLIGHT = Gauge("worker_inflight_jobs", "Jobs currently executing", ["queue"], multiprocess_mode=GAUGE_MODE)
DEPTH = Gauge("worker_queue_depth", "Jobs waiting, not yet picked up", ["queue"], multiprocess_mode="max")
HEARTBEAT = Gauge(
    "worker_last_heartbeat_seconds",
    "When a worker last looked for a job",
    multiprocess_mode=GAUGE_MODE if GAUGE_MODE == "all" else "max",
)
WAIT = Histogram(
    "worker_queue_wait_seconds",
    "Time from enqueue to dequeue (scheduling latency)",
    ["queue"],
    buckets=WAIT_BUCKETS,
)
EXEC = Histogram(
    "worker_exec_seconds",
    "Time from dequeue to ack (handler latency)",
    ["queue", "task", *JOB_ID],
    buckets=EXEC_BUCKETS,
)
LIFETIME = Histogram(
    "worker_child_lifetime_seconds",
    "How long a child lived before the next one took its place",
    buckets=Histogram.DEFAULT_BUCKETS if "buckets" in MISTAKES else [10, 60, 600, 3600, 21600, 86400],
)

stopping = threading.Event()


def begin_at_zero():
    """A series that is born with its first job is one job short for ever: rate() sees no increase in it."""
    for queue, task in TASKS.items():
        for status in ["success", "failure"]:
            JOBS.labels(queue, task, status)


def lists():
    return [f"jobs/{SYSTEM}/{queue}" for queue in TASKS]


def take(books):
    """The next job; none within a second."""
    got = books.brpop(lists(), timeout=1)
    return json.loads(got[1]) if got else None


def run(books, job):
    queue, task = job["queue"], job["task"]
    job_id = [str(uuid.uuid4())] if JOB_ID else []
    WAIT.labels(queue).observe(max(0.0, time.time() - job["sent"]))
    began = time.monotonic()
    INFLIGHT.labels(queue).inc()
    time.sleep(job["seconds"])
    took = time.monotonic() - began
    INFLIGHT.labels(queue).dec()
    EXEC.labels(queue, task, *job_id).observe(took)
    JOBS.labels(queue, task, "failure" if job["fails"] else "success", *job_id).inc()
    ledger.finished(books, SYSTEM, queue, "failed" if job["fails"] else "done", took)


def work(seconds=float("inf")):
    """Until it is told to stop, or for so long."""
    end = time.monotonic() + seconds
    books = ledger.connect()
    if not JOB_ID:
        begin_at_zero()
    while not stopping.is_set() and time.monotonic() < end:
        HEARTBEAT.set_to_current_time()
        job = take(books)
        for queue in TASKS:
            DEPTH.labels(queue).set(books.llen(f"jobs/{SYSTEM}/{queue}"))
            INFLIGHT.labels(queue).inc(0)
        if job:
            run(books, job)


def fork(run_in_it):
    """From a process without threads: a fork copies the locks that threads hold, but not the threads."""
    pid = os.fork()
    if pid == 0:
        end_with_the_parent()
        run_in_it()
        os._exit(0)
    return pid


def child():
    """Works for a while and ends, to be followed by another."""
    born = time.monotonic()
    work(GIVEN.child_seconds)
    LIFETIME.observe(time.monotonic() - born)


def keep_children():
    """As many children as were asked for, and a new one for each that ended."""
    children = set()
    while not stopping.is_set():
        while len(children) < GIVEN.children:
            children.add(fork(child))
        for pid in [pid for pid in children if os.waitpid(pid, os.WNOHANG)[0]]:
            children.remove(pid)
            if GAUGE_MODE != "all":
                multiprocess.mark_process_dead(pid)
        time.sleep(0.1)
    for pid in children:
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def expose_all():
    """In a process of its own: what all children left in the directory they share."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    start_http_server(GIVEN.port, GIVEN.address, registry)
    threading.Event().wait()


def main():
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    if SYSTEM == "prefork":
        exposer = fork(expose_all)
        keep_children()
        # A last scrape must see the last jobs: without it they are lost to everybody.
        time.sleep(GIVEN.linger)
        os.kill(exposer, signal.SIGTERM)
        os.waitpid(exposer, 0)
        shutil.rmtree(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    else:
        start_http_server(GIVEN.port, GIVEN.address)
        work()
        time.sleep(GIVEN.linger)


if __name__ == "__main__":
    main()
