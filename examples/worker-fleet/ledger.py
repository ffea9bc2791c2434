"""What really happened, counted by the jobs themselves in Redis and not by any metric.

Every system of the fleet keeps the same books: the hash `ledger` with SYSTEM/QUEUE/sent, /done and
/failed, and the list runtimes/SYSTEM/QUEUE. Producers send `pace` jobs a second to each queue.
"""

import os
import time
from dataclasses import dataclass

import redis

# Every 10th job fails, every 20th is slow, and never the same ones: a p99 that is easy to tell.
FAILS_EVERY, FAILS_AT = 10, 3
SLOW_EVERY, SLOW_AT = 20, 7
QUICK_SECONDS, SLOW_SECONDS = 0.02, 0.32


def connect():
    return redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


@dataclass
class Plan:
    """What the n-th job of a queue will be like."""

    seconds: float
    fails: bool


def plan(n):
    slow = n % SLOW_EVERY == SLOW_AT
    return Plan(SLOW_SECONDS if slow else QUICK_SECONDS, n % FAILS_EVERY == FAILS_AT)


def sent(books, system, queue):
    """Gives the number of the job."""
    return books.hincrby("ledger", f"{system}/{queue}/sent", 1)


def finished(books, system, queue, outcome, seconds):
    with books.pipeline() as together:
        together.rpush(f"runtimes/{system}/{queue}", f"{seconds:.6f}")
        together.hincrby("ledger", f"{system}/{queue}/{outcome}", 1)
        together.execute()


def produce(system, queues, send, always=lambda: None):
    """Sends jobs for ever, to each queue as many a second as `pace` says; `always` runs before."""
    books = connect()
    while True:
        pace = float(books.get("pace") or 0)
        if pace == 0:
            time.sleep(0.2)
            continue
        always()
        for queue in queues:
            number = sent(books, system, queue)
            send(queue, number, plan(number))
        time.sleep(1 / pace)
