import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, listLogs } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { freePort, type ServeProcess, startServeProcess } from "../support/serve-process.ts";
import { until } from "../support/until.ts";

const executors = 6;
const kills = 2;

test("a server that is killed while executors log keeps every line once, in order, and a place in a log means the same afterwards", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "millpond-kill-"));
  const env = { PORT: String(await freePort()), MILLPOND_DATA_DIR: dataDir };
  let server: ServeProcess = await startServeProcess(env);
  const client = createClient({ address: server.url, retry: { maxAttempts: 60, maxBackoffMs: 500 } });
  onTestFinished(async () => {
    client.close();
    await server.end("SIGTERM");
    await rm(dataDir, { recursive: true, force: true });
  });
  const kind = "work";
  const graph = Array.from({ length: executors }, (_, n) => ({ name: `${n}`, kind }));
  const { tasks } = await client.tasks.createTasks({ tasks: graph });
  const lease = { seconds: 3600n, nanos: 0 };
  await client.workers.claimTasks({ workerId: "w", kinds: [kind], maxTasks: executors, lease });
  const ids = tasks.map(({ taskId }) => taskId);
  const logged = new Map(ids.map((taskId) => [taskId, 0]));
  let stopped = false;
  // A call whose answer is lost is repeated by the client, with the same request_id.
  const logging = ids.map(async (taskId) => {
    for (let n = 0; !stopped; n += 2) {
      await client.workers.appendLogs({ taskId, attempt: 1, entries: [{ message: `${n}` }, { message: `${n + 1}` }] });
      logged.set(taskId, n + 2);
    }
  });
  const total = () => [...logged.values()].reduce((sum, n) => sum + n, 0);
  const pages = new Map<string, { messages: string[]; cursor: string }>();
  for (let kill = 1; kill <= kills; kill += 1) {
    const before = total();
    await until("some more has been logged", () => total() > before + 200);
    for (const taskId of ids) {
      const { messages, cursor } = pages.get(taskId) ?? { messages: [], cursor: "" };
      const page = await client.workers.listLogs({ taskId, cursor, pageSize: 7 });
      pages.set(taskId, {
        messages: [...messages, ...page.entries.map(({ message }) => message)],
        cursor: page.nextCursor,
      });
    }
    expect((await server.end("SIGKILL")).signal).toBe("SIGKILL");
    server = await startServeProcess(env);
  }
  const before = total();
  await until("they go on", () => total() > before + 100);
  stopped = true;
  await Promise.all(logging);
  for (const taskId of ids) {
    const expected = Array.from({ length: logged.get(taskId) ?? 0 }, (_, n) => `${n}`);
    const listed: string[] = [];
    for await (const { message } of listLogs(client, { taskId })) listed.push(message);
    expect(listed).toEqual(expected);
    const { messages, cursor } = pages.get(taskId) ?? { messages: [], cursor: "" };
    const rest = await client.workers.listLogs({ taskId, cursor, pageSize: 1_000 });
    expect([...messages, ...rest.entries.map(({ message }) => message)]).toEqual(
      expected.slice(0, messages.length + rest.entries.length),
    );
  }
});
