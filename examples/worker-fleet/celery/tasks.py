"""The Celery application: three tasks on three queues, run by prefork workers with events on."""

import os
import time

from celery import Celery
from celery.signals import worker_process_init

import ledger
from orphans import end_with_the_parent

QUEUES = {"emails": "emails.send", "reports": "reports.build", "webhooks": "webhooks.deliver"}

app = Celery("fleet", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_send_sent_event=True,
    worker_send_task_events=True,
    task_ignore_result=True,
    task_routes={task: {"queue": queue} for queue, task in QUEUES.items()},
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
)


@worker_process_init.connect
def in_each_pool_process(**_):
    end_with_the_parent()


def work(queue, seconds, fails):
    began = time.monotonic()
    time.sleep(seconds)
    outcome = "failed" if fails else "done"
    ledger.finished(ledger.connect(), "celery", queue, outcome, time.monotonic() - began)
    if fails:
        raise ValueError("as planned")


@app.task(name="emails.send")
def send_email(seconds, fails):
    work("emails", seconds, fails)


@app.task(name="reports.build")
def build_report(seconds, fails):
    work("reports", seconds, fails)


@app.task(name="webhooks.deliver")
def deliver_webhook(seconds, fails):
    work("webhooks", seconds, fails)
