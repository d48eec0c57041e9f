// pg-boss with no-op jobs in batches of 1,000, woken by NOTIFY.
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { PgBoss } from "pg-boss";
import type { PeerQueue } from "./peer-job.ts";
import { runPeerJob } from "./run-peer-job.ts";

const queue = "noop";
const lookMs = 5;

await runPeerJob(openPgBoss);

async function openPgBoss(url: string): Promise<PeerQueue> {
  const boss = new PgBoss({ connectionString: url, max: 20, useListenNotify: true });
  boss.on("error", (error) => console.error(error));
  await boss.start();
  await boss.createQueue(queue, { notify: true });
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  return {
    insert: (jobs) =>
      jobs === 1
        ? boss.send(queue, { n: 1 })
        : boss.insert(
            queue,
            Array.from({ length: jobs }, (_, n) => ({ data: { n } })),
          ),
    analyze: () => pool.query("analyze"),
    async work(mode, onBegun) {
      const options =
        mode === "throughput"
          ? { batchSize: 1_000, localConcurrency: 4, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 }
          : { batchSize: 1 };
      await boss.work(queue, options, async (jobs) => onBegun(jobs.length));
    },
    async completed() {
      for (;;) {
        const { rows } = await pool.query(
          "select exists (select from pgboss.job where name = $1 and state < 'completed') left_over",
          [queue],
        );
        if (!rows[0].left_over) return;
        await sleep(lookMs);
      }
    },
  };
}
