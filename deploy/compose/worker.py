"""A worker that puts job_id into its metrics: ten jobs a second, a series for each."""

import itertools
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

QUEUES = ["emails", "reports", "thumbnails"]
jobs = []


def work():
    for queue in itertools.cycle(QUEUES):
        jobs.append((queue, uuid.uuid4()))
        time.sleep(0.1)


class Metrics(BaseHTTPRequestHandler):
    def do_GET(self):
        lines = ["# HELP worker_jobs_total Jobs done.", "# TYPE worker_jobs_total counter"]
        lines += [f'worker_jobs_total{{queue="{queue}",job_id="{job}"}} 1' for queue, job in list(jobs)]
        body = ("\n".join(lines) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


threading.Thread(target=work, daemon=True).start()
ThreadingHTTPServer(("", 8000), Metrics).serve_forever()
