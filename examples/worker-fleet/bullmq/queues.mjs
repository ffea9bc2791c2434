// What worker, producer and poller share: the queues, the broker, the books (see ledger.py).

import { Redis } from "ioredis";

export const QUEUES = ["images", "invoices"];

export const connect = () => new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });

export const mistakes = (process.env.MISTAKES ?? "").split(",");

// Nothing of the fleet outlives the one that started it.
const parent = process.ppid;
setInterval(() => process.ppid === parent || process.exit(1), 1000).unref();

// Every 10th job fails, every 20th is slow, and never the same ones.
export const plan = (n) => ({ seconds: n % 20 === 7 ? 0.32 : 0.02, fails: n % 10 === 3 });

export const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

export async function finished(books, queue, outcome, seconds) {
  await books
    .multi()
    .rpush(`runtimes/bullmq/${queue}`, seconds.toFixed(6))
    .hincrby("ledger", `bullmq/${queue}/${outcome}`, 1)
    .exec();
}
