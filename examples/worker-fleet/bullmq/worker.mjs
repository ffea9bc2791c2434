// Does the jobs of every queue, two at a time each.

import { Worker } from "bullmq";
import { QUEUES, connect, finished, sleep } from "./queues.mjs";

const books = connect();

async function work(job) {
  const began = performance.now();
  await sleep(job.data.seconds);
  const outcome = job.data.fails ? "failed" : "done";
  await finished(books, job.queueName, outcome, (performance.now() - began) / 1000);
  if (job.data.fails) throw new Error("as planned");
}

const workers = QUEUES.map((queue) => new Worker(queue, work, { connection: connect(), concurrency: 2 }));

process.on("SIGTERM", async () => {
  await Promise.all(workers.map((worker) => worker.close()));
  process.exit(0);
});
