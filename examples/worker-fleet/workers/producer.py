"""Sends jobs to the workers with prometheus_client, by Redis lists: producer.py single|prefork."""

import json
import sys
import time

import ledger

TASKS = {"emails": "send", "reports": "build"}


def sender(system, books):
    def send(queue, _number, plan):
        job = {"queue": queue, "task": TASKS[queue], "seconds": plan.seconds, "fails": plan.fails, "sent": time.time()}
        books.lpush(f"jobs/{system}/{queue}", json.dumps(job))

    return send


if __name__ == "__main__":
    ledger.produce(sys.argv[1], TASKS, sender(sys.argv[1], ledger.connect()))
