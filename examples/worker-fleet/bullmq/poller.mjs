// Exposes the queues with prom-client: getJobCounts() in each scrape, and what the queues say of
// jobs that end. The mistake `job_id`: the id of each job on counter and histogram, and its name.

import http from "node:http";
import { Queue, QueueEvents } from "bullmq";
import client from "prom-client";
import { QUEUES, connect, mistakes } from "./queues.mjs";

const MISTAKE = mistakes.includes("job_id");
const queues = new Map(QUEUES.map((queue) => [queue, new Queue(queue, { connection: connect() })]));

client.collectDefaultMetrics();
new client.Gauge({
  name: "bullmq_queue_jobs",
  help: "Jobs by state (getJobCounts)",
  labelNames: ["queue", "state"],
  async collect() {
    for (const [name, queue] of queues) {
      for (const [state, jobs] of Object.entries(await queue.getJobCounts())) {
        this.set({ queue: name, state }, jobs);
      }
    }
  },
});
const finished = new client.Counter({
  name: "bullmq_jobs_finished_total",
  help: "Finished jobs",
  labelNames: ["queue", "status", ...(MISTAKE ? ["job_name", "job_id"] : [])],
});
const duration = new client.Histogram({
  name: "bullmq_job_duration_seconds",
  help: "processedOn..finishedOn",
  labelNames: ["queue", ...(MISTAKE ? ["job_id"] : [])],
  buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
});

async function note(queue, status, jobId) {
  const job = await queues.get(queue).getJob(jobId);
  const id = MISTAKE ? { job_id: jobId } : {};
  finished.inc({ queue, status, ...(MISTAKE ? { job_name: job.name } : {}), ...id });
  duration.observe({ queue, ...id }, (job.finishedOn - job.processedOn) / 1000);
}

for (const queue of QUEUES) {
  const events = new QueueEvents(queue, { connection: connect() });
  events.on("completed", ({ jobId }) => note(queue, "completed", jobId));
  events.on("failed", ({ jobId }) => note(queue, "failed", jobId));
}

http
  .createServer(async (_, answer) => {
    answer.setHeader("Content-Type", client.register.contentType);
    answer.end(await client.register.metrics());
  })
  .listen(Number(process.env.PORT ?? 3000), process.env.ADDRESS ?? "127.0.0.1");
