"""An events exporter with the metrics and labels of celery-exporter 0.12.

That one is not on PyPI, so this stands in for it where there is no Docker; docker-compose.yml uses
the real one. It behaves alike in what matters here: a name that sends or runs a task becomes a set
of series at once, all counters at 0; it asks the workers during each scrape; a worker that is silent
for --worker-timeout is down, and --purge-after later all its series go.

One thing it does better: a task's events may arrive before the one that says which queue it is on.
celery-exporter counts those under the default queue, this one waits for the queue's name.
"""

import argparse
import os
import signal
import threading
import time
from collections import OrderedDict

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily

from metrics import Metrics
from tasks import QUEUES, app

import ledger

REMEMBERED_TASKS = 50_000
DEFAULT_QUEUE = "celery"
WAIT_FOR_QUEUE_SECONDS = 5


def host(event):
    return event["hostname"].split("@")[-1]


class Fleet:
    """What the events say."""

    def __init__(self, metrics, worker_timeout, purge_after):
        self.metrics = metrics
        self.worker_timeout = worker_timeout
        self.purge_after = purge_after
        self.tasks = OrderedDict()
        self.waiting = []
        self.last_seen = {}
        self.lock = threading.Lock()

    def on_event(self, event):
        with self.lock:
            kind = event["type"]
            if kind.startswith("worker-"):
                self.on_worker(event, kind)
            elif kind.startswith("task-"):
                self.on_task(event, kind)

    def on_worker(self, event, kind):
        name = host(event)
        if kind == "worker-offline":
            self.metrics.worker_is(name, up=False)
            # It counts as silent from now on.
            self.last_seen[name] = time.time() - self.worker_timeout
        else:
            self.last_seen[name] = time.time()
            self.metrics.worker_is(name, up=True, active=event.get("active"))

    def on_task(self, event, kind):
        if kind == "task-sent":
            self.tasks[event["uuid"]] = {"name": event["name"], "queue": event["queue"], "sent": event["timestamp"]}
            if len(self.tasks) > REMEMBERED_TASKS:
                self.tasks.popitem(last=False)
        elif event["uuid"] not in self.tasks:
            self.waiting.append((time.time(), event))
            return
        self.metrics.count(kind, host(event), self.tasks[event["uuid"]], event)

    def tidy(self):
        """What time brings: tasks whose queue is known now, or never; workers that went."""
        with self.lock:
            now = time.time()
            waiting, self.waiting = self.waiting, []
            for since, event in waiting:
                if now - since > WAIT_FOR_QUEUE_SECONDS:
                    self.tasks.setdefault(event["uuid"], {"name": event.get("name", ""), "queue": DEFAULT_QUEUE})
                if event["uuid"] in self.tasks:
                    self.on_task(event, event["type"])
                else:
                    self.waiting.append((since, event))
            for name, seen in list(self.last_seen.items()):
                if now - seen > self.worker_timeout:
                    self.metrics.worker_is(name, up=False)
                if now - seen > self.worker_timeout + self.purge_after:
                    self.metrics.forget(name)
                    del self.last_seen[name]


class Queues:
    """Read during each scrape: how long the queues are, and who works on them."""

    def __init__(self, inspect_seconds):
        self.inspect_seconds = inspect_seconds
        self.redis = ledger.connect()

    def collect(self):
        lengths = GaugeMetricFamily("celery_queue_length", "The number of message in broker queue.", labels=["queue_name"])
        workers = GaugeMetricFamily(
            "celery_active_worker_count", "The number of active workers in broker queue.", labels=["queue_name"]
        )
        processes = GaugeMetricFamily(
            "celery_active_process_count", "The number of active processes in broker queue.", labels=["queue_name"]
        )
        stats = self.ask_workers()
        pools = sum(len(worker["pool"].get("processes", [])) for worker in stats.values())
        for queue in QUEUES:
            lengths.add_metric([queue], self.redis.llen(queue))
            workers.add_metric([queue], len(stats))
            processes.add_metric([queue], pools)
        return [lengths, workers, processes]

    def ask_workers(self):
        if self.inspect_seconds == 0:
            return {}
        return app.control.inspect(timeout=self.inspect_seconds).stats() or {}


def listen(fleet):
    """Events for ever; a broker that goes away is asked again."""
    while True:
        try:
            with app.connection_for_read() as connection:
                receiver = app.events.Receiver(connection, handlers={"*": fleet.on_event})
                receiver.capture(limit=None, timeout=None, wakeup=True)
        except Exception as error:  # Whatever the broker's client raises.
            print(f"exporter: {error}", flush=True)
            time.sleep(1)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=9808)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--worker-timeout", type=float, default=300)
    parser.add_argument("--purge-after", type=float, default=600)
    parser.add_argument("--inspect-seconds", type=float, default=1, help="0: the workers are not asked")
    return parser.parse_args()


def main():
    given = arguments()
    registry = CollectorRegistry()
    fleet = Fleet(Metrics(registry), given.worker_timeout, given.purge_after)
    registry.register(Queues(given.inspect_seconds))
    threading.Thread(target=listen, args=(fleet,), daemon=True).start()
    start_http_server(given.port, given.address, registry)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    while True:
        fleet.tidy()
        time.sleep(0.2)


if __name__ == "__main__":
    main()
