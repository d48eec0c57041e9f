import { createClient, type StreamCountsResponse } from "@millpond/sdk";
import { pino } from "pino";
import { expect, test } from "vitest";
import { loadSettings } from "../../src/config/settings.ts";
import { startMillpond } from "../../src/server/start-millpond.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { startCutProxy } from "../support/cut-proxy.ts";
import { createTestDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";
import { expectRefusal } from "./shared-server.ts";

const producers = 4;
const itemsPerMessage = 10;
const waitingMax = 200;

test("while the database is away, streams of counts are held back, calls fail, and nothing is lost or counted twice", async () => {
  await using database = await createTestDatabase();
  const url = new URL(database.url);
  await using proxy = await startCutProxy(Number(url.port));
  url.port = String(proxy.port);
  const { settings } = loadSettings({
    ...{ PORT: "0", MILLPOND_LOG_LEVEL: "fatal", MILLPOND_COUNTS_WAITING_MAX: String(waitingMax) },
  });
  const server = await startMillpond(settings, url.href, pino({ level: "fatal" }));
  const client = createClient({ address: server.url, retry: false });
  try {
    const { tasks } = await client.tasks.createTasks({
      tasks: Array.from({ length: itemsPerMessage }, (_, n) => ({ name: `t${n}`, kind: "k" })),
    });
    const counts = tasks.map(({ taskId }) => ({ taskId, success: 1n }));
    const waiting = async () => {
      const metrics = await (await fetch(`${server.url}/metrics`)).text();
      return Number(/^millpond_counts_waiting (\d+)$/m.exec(metrics)?.[1]);
    };

    await client.tasks.addCounts({ counts });
    proxy.cut();
    const messages = 2_000n;
    const streams = Array.from({ length: producers }, async (_, place) => {
      async function* requests() {
        for (let n = 1n; n <= messages; n += 1n) yield { producerId: `p${place}`, sequence: n, counts };
      }
      const answers: StreamCountsResponse[] = [];
      for await (const answer of client.tasks.streamCounts(requests())) answers.push(answer);
      return answers;
    });
    await until("the server takes no more", async () => (await waiting()) >= waitingMax);
    await expectRefusal(client.tasks.addCounts({ counts }), { code: "ResourceExhausted", reason: "LIMIT_EXCEEDED" });
    for (let look = 0; look < 20; look += 1) {
      // Each stream may be one message over.
      expect(await waiting()).toBeLessThan(waitingMax + producers * itemsPerMessage);
    }
    proxy.mend();

    for (const answers of await Promise.all(streams)) {
      expect(answers.at(-1)?.acknowledgedSequence).toBe(messages);
      expect(answers.flatMap(({ rejections }) => rejections)).toEqual([]);
    }
    for (const { taskId } of tasks) {
      const { task } = await client.tasks.getTask({ taskId });
      expect(task?.successCount).toBe(messages * BigInt(producers) + 1n);
    }
    expect(await waiting()).toBe(0);
    await checkInvariants(database.url);
  } finally {
    client.close();
    await server.stop(2_000);
  }
});
