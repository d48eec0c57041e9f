import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { createClient, ErrorReason, errorReason } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { startCutProxy } from "../support/cut-proxy.ts";
import { createTestDatabase } from "../support/database.ts";
import { freePort, type ServeProcess, startServeProcess } from "../support/serve-process.ts";
import { until } from "../support/until.ts";

async function serve(): Promise<{ server: ServeProcess; dataDir: string }> {
  const dataDir = await mkdtemp(join(tmpdir(), "millpond-serve-"));
  const server = await startServeProcess({ PORT: "0", MILLPOND_DATA_DIR: dataDir });
  onTestFinished(async () => {
    if (server.child.exitCode === null && server.child.signalCode === null) await server.end("SIGKILL");
    await until("PostgreSQL has ended", () => postmasterPid(dataDir).then(isGone, () => true));
    await rm(dataDir, { recursive: true, force: true });
  });
  return { server, dataDir };
}

test("SIGTERM ends open watches and long polls, the server with code 0 and its PostgreSQL with it", async () => {
  const { server, dataDir } = await serve();
  const client = createClient({ address: server.url, retry: false });
  const pid = await postmasterPid(dataDir);
  const messages = client.events.watchEvents({})[Symbol.asyncIterator]();
  expect((await messages.next()).value?.message.case).toBe("checkpoint");
  // A last place to resume from, then the end.
  const last = messages.next().then(({ value }) => value?.message.case);
  const end = last.then(() => messages.next().catch((error: unknown) => ConnectError.from(error).code));
  const claim = client.workers.claimTasks({ workerId: "w", kinds: ["k"], waitTimeout: { seconds: 60n } });
  await until("the claim waits", async () =>
    (await (await fetch(`${server.url}/metrics`)).text()).includes("millpond_claims_waiting 1"),
  );

  expect(await server.end("SIGTERM")).toEqual({ code: 0, signal: null });

  expect([await last, await end]).toEqual(["checkpoint", Code.Unavailable]);
  expect((await claim).assignments).toEqual([]);
  expect(isGone(pid)).toBe(true);
});

test("a second server on the same data folder is refused with a message that says why and what to do", async () => {
  const { server, dataDir } = await serve();
  const second = await startServeProcess({ PORT: "0", MILLPOND_DATA_DIR: dataDir }).catch((error: Error) => error);
  expect(second).toBeInstanceOf(Error);
  const { message } = second as Error;
  expect(message).toContain(dataDir);
  expect(message).toContain(String(server.child.pid));
  expect(message).toMatch(/MILLPOND_DATA_DIR|DATABASE_URL/);
  expect(message).not.toMatch(/^\s+at /m);
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
});

test("a database that is away at the start is named by its setting, without the password", async () => {
  const url = `postgresql://user:secret@127.0.0.1:${await freePort()}/millpond`;
  const started = await startServeProcess({ PORT: "0", DATABASE_URL: url }).catch((error: Error) => error);
  expect(started).toBeInstanceOf(Error);
  const { message } = started as Error;
  expect(message).toContain("the database that DATABASE_URL names cannot be reached (connect ECONNREFUSED");
  expect(message).not.toContain("secret");
  expect(message).not.toMatch(/^\s+at /m);
});

test("while the database is away the server is alive and not ready, calls answer STORE_UNAVAILABLE, and it comes back by itself", async () => {
  await using database = await createTestDatabase();
  const url = new URL(database.url);
  await using proxy = await startCutProxy(Number(url.port));
  url.port = String(proxy.port);
  const server = await startServeProcess({ PORT: "0", DATABASE_URL: url.href });
  try {
    const client = createClient({ address: server.url, retry: false });
    await client.tasks.createTasks({ tasks: [{ name: "before", kind: "k" }] });

    proxy.cut();
    await until("the server is not ready", async () => (await fetch(`${server.url}/readyz`)).status === 503);
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
    const refused = await client.tasks
      .createTasks({ tasks: [{ name: "while", kind: "k" }] })
      .catch((error: unknown) => error);
    expect(ConnectError.from(refused).code).toBe(Code.Unavailable);
    expect(errorReason(refused)).toBe(ErrorReason.STORE_UNAVAILABLE);

    proxy.mend();
    await until("the server is ready", async () => (await fetch(`${server.url}/readyz`)).status === 200);
    await client.tasks.createTasks({ tasks: [{ name: "after", kind: "k" }] });
    expect((await client.tasks.listTasks({})).tasks.map((task) => task.name)).toEqual(["after", "before"]);
    const woken = client.workers.claimTasks({ workerId: "w", kinds: ["other"], waitTimeout: { seconds: 60n } });
    await client.tasks.createTasks({ tasks: [{ name: "woken", kind: "other" }] });
    expect((await woken).assignments).toHaveLength(1);
  } finally {
    await server.end("SIGTERM");
  }
});

test("a PostgreSQL that is killed comes back under its server, with everything that was acknowledged", async () => {
  const { server, dataDir } = await serve();
  const client = createClient({ address: server.url, retry: { maxAttempts: 30 } });
  await client.tasks.createTasks({ tasks: [{ name: "before", kind: "k" }] });
  const killed = await postmasterPid(dataDir);
  process.kill(killed, "SIGKILL");
  await until("another PostgreSQL runs", async () => (await postmasterPid(dataDir)) !== killed);
  await client.tasks.createTasks({ tasks: [{ name: "after", kind: "k" }] });
  expect((await client.tasks.listTasks({})).tasks.map((task) => task.name)).toEqual(["after", "before"]);
});

async function postmasterPid(dataDir: string): Promise<number> {
  return Number((await readFile(join(dataDir, "postgres", "postmaster.pid"), "utf8")).split("\n")[0]);
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

test("a server that nobody calls gives back the memory of its start-up", async () => {
  const { server } = await serve();
  const youngBytes = async () => {
    const text = await (await fetch(`${server.url}/metrics`)).text();
    return Number(/^nodejs_heap_space_size_total_bytes\{space="new"\} (\d+)$/m.exec(text)?.[1]);
  };
  expect(await youngBytes()).toBeGreaterThan(4_000_000);
  // Whoever looks all the time keeps it busy.
  const isSmall = async () => {
    await sleep(3_000);
    return (await youngBytes()) < 4_000_000;
  };
  await until("the space for young objects is small", isSmall, 120_000);
}, 150_000);
