import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { createClient, type MillpondClient } from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import { createTestDatabase } from "../support/database.ts";
import { type ServeProcess, startServeProcess } from "../support/serve-process.ts";
import { until } from "../support/until.ts";

const count = 2;

/** Several processes on one port, on a database of the tests unless `env` names a data folder. */
async function serve(env: Readonly<Record<string, string>> = {}): Promise<ServeProcess> {
  const database = env.MILLPOND_DATA_DIR === undefined ? await createTestDatabase() : undefined;
  const url = database && { DATABASE_URL: database.url };
  const server = await startServeProcess({ PORT: "0", MILLPOND_PROCESSES: String(count), ...url, ...env });
  const members = membersOf(server);
  onTestFinished(async () => {
    const { exitCode, signalCode, pid = 0 } = server.child;
    if (exitCode === null && signalCode === null) await server.end("SIGKILL");
    await until("its processes have ended", () => [pid, ...members, ...membersOf(server)].every(isGone));
    await database?.drop();
  });
  return server;
}

/** The processes that the first one has started to serve. */
function membersOf({ child }: ServeProcess): number[] {
  const listing = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat=,args="], { encoding: "utf8" });
  return listing.split("\n").flatMap((line) => {
    const [, pid, ppid, stat = "", args = ""] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    const serves = args.includes("cli.ts") && !stat.startsWith("Z");
    return Number(ppid) === child.pid && serves ? [Number(pid)] : [];
  });
}

function isGone(pid: number): boolean {
  const stat = execFileSync("ps", ["-A", "-o", "pid=,stat="], { encoding: "utf8" });
  return !new RegExp(`^\\s*${pid}\\s+[^Z]`, "m").test(stat);
}

/** Clients with a connection each, and the processes that answer them. */
async function clientsByProcess(server: ServeProcess, connections: number): Promise<Map<number, MillpondClient[]>> {
  const found = new Map<number, MillpondClient[]>();
  for (let n = 0; n < connections; n += 1) {
    const client = createClient({ address: server.url, retry: false });
    onTestFinished(() => client.close());
    const requestId = `who-${n}-${Math.random()}`;
    await client.tasks.listTasks({}, { headers: { "x-request-id": requestId } });
    const line = () =>
      server
        .output()
        .split("\n")
        .find((text) => text.includes(requestId)) ?? "";
    await until("the call is in the log", () => line() !== "");
    const { pid } = JSON.parse(line()) as { pid: number };
    found.set(pid, [...(found.get(pid) ?? []), client]);
  }
  return found;
}

async function metric(server: ServeProcess, name: string): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`, { headers: { connection: "close" } })).text();
  const values = text.split("\n").filter((line) => line.startsWith(name) && " {".includes(line[name.length] ?? ""));
  return values.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

test("connections are dealt out evenly, and a claim that waits in one process gets a task that another one creates", async () => {
  const server = await serve();
  const clients = await clientsByProcess(server, 6);
  expect([...clients.keys()].sort()).toEqual(membersOf(server).sort());
  expect([...clients.values()].map(({ length }) => length)).toEqual([3, 3]);
  expect(server.output().match(/millpond is up/g)).toHaveLength(1);

  const [one, other] = [...clients.values()].map(([client]) => client as MillpondClient);
  for (const [claiming, creating] of [
    [one, other],
    [other, one],
  ]) {
    const waits = claiming?.workers.claimTasks({ workerId: "w", kinds: ["k"], waitTimeout: { seconds: 60n } });
    await until("the claim waits", async () => (await metric(server, "millpond_claims_waiting")) === 1);
    await creating?.tasks.createTasks({ tasks: [{ name: "t", kind: "k" }] });
    expect((await waits)?.assignments).toHaveLength(1);
  }
});

test("any process shows the metrics of all, and sums do not fall when one of them ends", async () => {
  const server = await serve();
  await clientsByProcess(server, 8);
  const calls = "millpond_rpc_requests_total";
  for (let n = 0; n < 4; n += 1) {
    expect(await metric(server, calls)).toBe(8);
    expect(await metric(server, "millpond_rpc_duration_seconds_count")).toBe(8);
    expect(await metric(server, "millpond_processes")).toBe(count);
  }
  const [killed] = membersOf(server);
  process.kill(killed as number, "SIGKILL");
  await until("the process is replaced", () => server.output().includes("a process has been replaced"));
  for (let n = 0; n < 4; n += 1) {
    expect(await metric(server, calls)).toBe(8);
    expect(await metric(server, "millpond_processes")).toBe(count);
  }
});

test("a process that is killed is replaced on the same port, while calls on the others go on", async () => {
  const server = await serve();
  const before = membersOf(server);
  const clients = await clientsByProcess(server, 2);
  const [[killed], [, kept]] = [...clients] as [[number, MillpondClient[]], [number, MillpondClient[]]];
  const survivor = kept[0] as MillpondClient;
  const watch = survivor.events.watchEvents({})[Symbol.asyncIterator]();
  expect((await watch.next()).value?.message.case).toBe("checkpoint");

  process.kill(killed, "SIGKILL");
  for (let n = 0; !server.output().includes("a process has been replaced"); n += 1) {
    await survivor.tasks.createTasks({ tasks: [{ name: `${n}`, kind: "k" }] });
    expect((await watch.next()).value?.message.case).toBe("events");
  }

  const after = membersOf(server);
  expect(after).toHaveLength(count);
  expect(after.filter((pid) => before.includes(pid))).toHaveLength(count - 1);
  expect([...(await clientsByProcess(server, 4)).keys()].sort()).toEqual(after.sort());
  expect(await server.end("SIGTERM")).toEqual({ code: 0, signal: null });
});

test("when all of them are killed at once they come back on the same port", async () => {
  const server = await serve();
  const before = membersOf(server);
  for (const pid of before) process.kill(pid, "SIGKILL");
  await until("all are replaced", () => (server.output().match(/a process has been replaced/g) ?? []).length >= count);
  const after = [...(await clientsByProcess(server, 4)).keys()];
  expect(after.sort()).toEqual(membersOf(server).sort());
  expect(after.filter((pid) => before.includes(pid))).toEqual([]);
});

test("SIGTERM ends watches and long polls of all processes, then these, then the embedded PostgreSQL, with code 0", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "millpond-processes-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const server = await serve({ MILLPOND_DATA_DIR: dataDir });
  const members = membersOf(server);
  const clients = [...(await clientsByProcess(server, 2)).values()].flat();
  const watches = clients.map(async (client) => {
    const watch = client.events.watchEvents({})[Symbol.asyncIterator]();
    expect((await watch.next()).value?.message.case).toBe("checkpoint");
    // A last place to resume from, then the end.
    const last = watch.next().then(({ value }) => value?.message.case);
    return { last, end: last.then(() => watch.next().catch((error: unknown) => ConnectError.from(error).code)) };
  });
  const open = await Promise.all(watches);
  const claims = clients.map((client) =>
    client.workers.claimTasks({ workerId: "w", kinds: ["k"], waitTimeout: { seconds: 60n } }),
  );
  await until("the claims wait", async () => (await metric(server, "millpond_claims_waiting")) === clients.length);

  expect(await server.end("SIGTERM")).toEqual({ code: 0, signal: null });

  for (const { last, end } of open) expect([await last, await end]).toEqual(["checkpoint", Code.Unavailable]);
  for (const claim of claims) expect((await claim).assignments).toEqual([]);
  expect(members.filter((pid) => !isGone(pid))).toEqual([]);
  expect(server.output()).not.toMatch(/a process (ended|did not stop)/);
});

test("when the first process is killed, none of the others is left behind", async () => {
  const server = await serve();
  const members = membersOf(server);
  expect(members).toHaveLength(count);
  await server.end("SIGKILL");
  await until("they have ended", () => members.every(isGone));
});

test("a port that is taken is told once, with what to do, and all of it ends with code 1", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  onTestFinished(() => void taken.close());
  const { port } = taken.address() as { port: number };
  const error = await serve({ PORT: String(port) }).catch((reason: Error) => reason);
  expect(error).toBeInstanceOf(Error);
  const { message } = error as Error;
  expect(message).toContain("ended early (1)");
  expect(message.match(/is in use: stop what uses it/g)).toHaveLength(1);
  expect(message).not.toMatch(/^\s+at /m);
});
