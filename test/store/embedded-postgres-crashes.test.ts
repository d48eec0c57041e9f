import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { serverUser } from "../../src/store/embedded-postgres/server-user.ts";
import { startEmbeddedPostgres } from "../../src/store/embedded-postgres/start-embedded-postgres.ts";
import {
  makeDataDir,
  type PostgresOwner,
  postmasterPid,
  processesNaming,
  query,
  spawnOwner,
  started,
} from "../support/spawn-embedded-postgres.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const patient = { timeout: 60_000, interval: 20 };
let dataDir: string;
let owners: PostgresOwner[];
let others: ChildProcess[];

beforeEach(() => {
  dataDir = makeDataDir();
  owners = [];
  others = [];
});

afterEach(async () => {
  for (const owner of owners) await owner.end("SIGTERM");
  for (const other of others) other.kill("SIGKILL");
  await vi.waitFor(() => expect(processesNaming(dataDir)).toEqual([]), patient);
  fs.rmSync(dataDir, { recursive: true, force: true });
});

function own(options: { durable?: boolean } = {}): PostgresOwner {
  const owner = spawnOwner({ dataDir, durable: false, ...options });
  owners.push(owner);
  return owner;
}

const guards = () => processesNaming(dataDir).filter(({ command }) => command.includes("millpond-postgres-guard"));

describe("kill -9 of the server", () => {
  it("stops PostgreSQL, leaves nothing running, and the next start has the data", async () => {
    const first = own({ durable: true });
    const { url } = await started(first);
    await query(url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (42)");
    await first.end("SIGKILL");
    await vi.waitFor(() => expect(processesNaming(dataDir)).toEqual([]), patient);
    const second = await started(own());
    expect(await query(second.url, "SELECT n FROM kept")).toEqual([{ n: 42 }]);
  });

  it("does not keep the next start from succeeding at once", async () => {
    const first = own({ durable: true });
    const { url } = await started(first);
    await query(url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (42)");
    await first.end("SIGKILL");
    const second = await started(own());
    await vi.waitFor(async () => expect(await query(second.url, "SELECT n FROM kept")).toEqual([{ n: 42 }]), patient);
  });

  it("together with its guard leaves a postmaster, which the next start takes over and stops with itself", async () => {
    const first = own({ durable: true });
    const { url } = await started(first);
    await query(url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (42)");
    const orphan = postmasterPid(dataDir);
    first.child.kill("SIGSTOP");
    for (const { pid } of guards()) process.kill(pid, "SIGKILL");
    await first.end("SIGKILL");
    expect(await query(url, "SELECT n FROM kept")).toEqual([{ n: 42 }]);

    const second = own();
    const { url: newUrl, adopted } = await started(second);
    expect(adopted).toBe(true);
    expect(postmasterPid(dataDir)).not.toBe(orphan);
    expect(await query(newUrl, "SELECT n FROM kept")).toEqual([{ n: 42 }]);
    await second.end("SIGTERM");
    expect(processesNaming(dataDir)).toEqual([]);
  });

  it("in the middle of initdb leaves nothing that the next start trips over", async () => {
    const first = own();
    await first.logged("making a database cluster");
    await vi.waitFor(
      () => expect(initFolders().some((name) => fs.existsSync(path.join(name, "PG_VERSION")))).toBe(true),
      {
        ...patient,
        interval: 1,
      },
    );
    await first.end("SIGKILL");
    expect(fs.existsSync(path.join(dataDir, "postgres"))).toBe(false);
    const second = own();
    const { url } = await started(second);
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    await second.end("SIGTERM");
    await vi.waitFor(() => expect(processesNaming(dataDir)).toEqual([]), patient);
    await started(own());
    expect(initFolders()).toEqual([]);
  });

  const initFolders = () =>
    fs
      .readdirSync(dataDir)
      .filter((name) => name.startsWith("postgres.init-"))
      .map((name) => path.join(dataDir, name));
});

describe("PostgreSQL that ends by itself comes back on the same url", () => {
  it("after kill -9 of the postmaster, with what was committed", async () => {
    const { url } = await started(own({ durable: true }));
    await query(url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (42)");
    const killed = postmasterPid(dataDir);
    process.kill(killed, "SIGKILL");
    await vi.waitFor(async () => expect(await query(url, "SELECT n FROM kept")).toEqual([{ n: 42 }]), patient);
    expect(postmasterPid(dataDir)).not.toBe(killed);
  });

  it("after kill -9 of its guard", async () => {
    const owner = own();
    const { url } = await started(owner);
    const before = postmasterPid(dataDir);
    for (const { pid } of guards()) process.kill(pid, "SIGKILL");
    await owner.logged("runs again");
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    expect(postmasterPid(dataDir)).not.toBe(before);
  });
});

describe("a second server on the folder is refused, naming the first and the way out", () => {
  const refusal = (pid: number) =>
    `another Millpond server (process ${pid}) uses the data folder ${dataDir}; stop it, or set MILLPOND_DATA_DIR`;

  it("from another process", async () => {
    const first = own();
    const { url } = await started(first);
    const second = own();
    const outcome = await second.outcome;
    expect(outcome).toMatchObject({ event: "failed", name: "EmbeddedPostgresError" });
    expect(outcome.event === "failed" && outcome.message).toContain(refusal(first.pid));
    expect(outcome.event === "failed" && outcome.message).toContain("DATABASE_URL");
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  it("from the same process, which leaves the first one's lock alone", async () => {
    const first = await startEmbeddedPostgres({ dataDir, durable: false });
    try {
      await expect(startEmbeddedPostgres({ dataDir, durable: false })).rejects.toThrow(refusal(process.pid));
      const outcome = await own().outcome;
      expect(outcome.event === "failed" && outcome.message).toContain(refusal(process.pid));
    } finally {
      await first.stop();
    }
  });

  it("when both make the first start at the same moment: one of them wins", async () => {
    const outcomes = await Promise.all([own(), own(), own()].map((owner) => owner.outcome));
    expect(outcomes.map(({ event }) => event).sort()).toEqual(["failed", "failed", "started"]);
  });
});

describe("a postmaster.pid of a dead postmaster does not hinder", () => {
  async function makeClusterNaming(pid: number): Promise<void> {
    await (await startEmbeddedPostgres({ dataDir, durable: false })).stop();
    const cluster = path.join(dataDir, "postgres");
    const file = path.join(cluster, "postmaster.pid");
    fs.writeFileSync(file, `${pid}\n${cluster}\n1700000000\n54321\n\n127.0.0.1\n\nready\n`);
    const owner = fs.statSync(cluster);
    fs.chownSync(file, owner.uid, owner.gid);
    fs.chmodSync(file, 0o600);
  }

  const sh = (script: string): ChildProcess => {
    const { uid, gid } = serverUser(path.join(dataDir, "postgres")) ?? {};
    const ids = uid === undefined || gid === undefined ? {} : { uid, gid };
    const child = spawn("/bin/sh", ["-c", script], { ...ids, cwd: "/", stdio: ["ignore", "pipe", "inherit"] });
    others.push(child);
    return child;
  };

  it("when its process id belongs to another program now", async () => {
    const other = sh("exec sleep 600");
    await makeClusterNaming(other.pid ?? 0);
    const { url, adopted } = await started(own());
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
    expect(adopted).toBe(false);
    expect(other.exitCode ?? other.signalCode).toBe(null);
  });

  it("when it is a zombie that nobody reaps", async () => {
    const parent = sh("true & echo $!; exec sleep 600");
    const [said] = (await once(parent.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
    await makeClusterNaming(Number(said.toString()));
    const { url } = await started(own());
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  it("when there is no such process", async () => {
    const brief = sh("exit 0");
    await once(brief, "exit");
    await makeClusterNaming(brief.pid ?? 0);
    const { url } = await started(own());
    expect(await query(url, "SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });
});

it("a cluster folder that is no cluster is moved aside, never deleted", async () => {
  fs.mkdirSync(path.join(dataDir, "postgres"));
  fs.writeFileSync(path.join(dataDir, "postgres", "precious"), "x");
  if (process.getuid?.() === 0) fs.chmodSync(dataDir, 0o755);
  await (await startEmbeddedPostgres({ dataDir, durable: false })).stop();
  const aside = fs.readdirSync(dataDir).find((name) => name.startsWith("postgres.incomplete-"));
  expect(fs.readFileSync(path.join(dataDir, aside ?? "", "precious"), "utf8")).toBe("x");
});
