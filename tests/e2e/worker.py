"""A worker as people write it, with the mistake people make: job_id as a label.

usage: worker.py PORT

GET /metrics      prometheus_client's own handler
POST /work?n=N    does N jobs, alternating between two queues
"""

import http.server
import itertools
import sys
import urllib.parse
import uuid

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.exposition import MetricsHandler

JOBS = Counter("worker_jobs", "Jobs that reached a terminal state", ["queue", "status", "job_id"])
SECONDS = Histogram(
    "worker_exec_seconds", "Time from dequeue to ack", ["queue", "job_id"], buckets=(0.1, 1, 10)
)
ATTEMPTS = Gauge("worker_job_attempts", "Attempts a job took", ["queue", "job_id"])
DEPTH = Gauge("worker_queue_depth", "Jobs waiting, not yet picked up", ["queue"])

QUEUES = itertools.cycle(["emails", "reports"])


def work(jobs):
    for _ in range(jobs):
        queue, job_id = next(QUEUES), str(uuid.uuid4())
        JOBS.labels(queue, "success", job_id).inc()
        SECONDS.labels(queue, job_id).observe(0.5)
        ATTEMPTS.labels(queue, job_id).set(1)


class Handler(MetricsHandler):
    def do_POST(self):
        query = urllib.parse.parse_qs(urllib.parse.urlparse(self.path).query)
        work(int(query["n"][0]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


# One job for each queue: a queue that has never had one has no series yet.
work(2)
for name in ("emails", "reports"):
    DEPTH.labels(name).set(3)

server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(f"listening on port {server.server_port}", flush=True)
server.serve_forever()
