// Adds jobs. Their names hold the user they are for, as they do in many applications.

import { Queue } from "bullmq";
import { QUEUES, connect, plan, sleep } from "./queues.mjs";

const books = connect();
const queues = QUEUES.map((queue) => new Queue(queue, { connection: connect() }));

for (;;) {
  const pace = Number((await books.get("pace")) ?? 0);
  if (pace === 0) {
    await sleep(0.2);
    continue;
  }
  for (const queue of queues) {
    const n = await books.hincrby("ledger", `bullmq/${queue.name}/sent`, 1);
    await queue.add(`${queue.name}:user-${n}`, plan(n), { attempts: 1 });
  }
  await sleep(1 / pace);
}
