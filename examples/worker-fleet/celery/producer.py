"""Sends tasks. The mistake `hostname`: a CronJob that does it, from a new pod each time.

A pod's name is its hostname. Here one process stands for many pods: each sends one task to every
queue, and the next ones come from another. Every name becomes 48 series of the exporter.
"""

import os
import secrets

from tasks import QUEUES, app

import ledger

MISTAKE = "hostname" in os.environ.get("MISTAKES", "").split(",")


class Pods:
    def __init__(self):
        self.born = 0

    def next(self):
        if MISTAKE or self.born == 0:
            self.born += 1
            name = f"nightly-sync-{29481000 + self.born}-{secrets.token_hex(2)}" if MISTAKE else "producer-0"
            # What sends task-sent; Celery makes it with this host's own name.
            app.amqp._event_dispatcher.hostname = f"gen{os.getpid()}@{name}"


def send(queue, _number, plan):
    app.tasks[QUEUES[queue]].apply_async((plan.seconds, plan.fails))


if __name__ == "__main__":
    ledger.produce("celery", QUEUES, send, always=Pods().next)
