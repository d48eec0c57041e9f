import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { findBinaries } from "../../src/store/embedded-postgres/binaries.ts";
import { openDataFolder, openLog } from "../../src/store/embedded-postgres/data-folder.ts";
import { startPostmaster } from "../../src/store/embedded-postgres/postmaster.ts";
import { serverUser } from "../../src/store/embedded-postgres/server-user.ts";
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from "../../src/store/embedded-postgres/start-embedded-postgres.ts";
import { makeDataDir, processesNaming, query } from "../support/spawn-embedded-postgres.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const asRoot = process.getuid?.() === 0;
let dataDir: string;
let running: EmbeddedPostgres[];

beforeEach(() => {
  dataDir = makeDataDir();
  running = [];
});

afterEach(async () => {
  for (const postgres of running) await postgres.stop();
  expect(processesNaming(dataDir)).toEqual([]);
  fs.rmSync(dataDir, { recursive: true, force: true });
});

async function start(options: Partial<Parameters<typeof startEmbeddedPostgres>[0]> = {}): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ dataDir, durable: false, ...options });
  running.push(postgres);
  return postgres;
}

describe("the first start", () => {
  it("makes a UTF-8 database millpond that only the password opens, on the loopback interface alone", async () => {
    const postgres = await start();
    const [row] = await query(
      postgres.url,
      `SELECT current_database() AS database, pg_encoding_to_char(encoding) AS encoding, datlocale AS locale,
         (SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules) AS auth,
         current_setting('listen_addresses') AS listen,
         current_setting('unix_socket_directories') AS sockets, current_setting('jit') AS jit,
         current_setting('timezone') AS zone
       FROM pg_database WHERE datname = current_database()`,
    );
    expect(row).toEqual({
      database: "millpond",
      encoding: "UTF8",
      locale: "C.UTF-8",
      auth: ["scram-sha-256"],
      listen: "127.0.0.1",
      sockets: "",
      jit: "off",
      zone: "UTC",
    });
    expect(postgres.adopted).toBe(false);
    expect(postgres.binDir).toContain("@embedded-postgres");
    const url = new URL(postgres.url);
    url.password = "guessed";
    await expect(query(url.href, "SELECT 1")).rejects.toMatchObject({ code: "28P01" });
  });

  it("keeps cluster and password private and never runs PostgreSQL as root", async () => {
    await start();
    expect(fs.statSync(path.join(dataDir, "postgres")).mode & 0o777).toBe(0o700);
    expect(fs.statSync(path.join(dataDir, "postgres.secret")).mode & 0o777).toBe(0o600);
    expect(fs.statSync(path.join(dataDir, "postgres")).uid === 0).toBe(false);
  });

  it("is durable unless told otherwise", async () => {
    const postgres = await start({ durable: true });
    const settings = "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit";
    expect(await query(postgres.url, settings)).toEqual([{ fsync: "on", commit: "on" }]);
  });

  it("passes the caller's settings on", async () => {
    const postgres = await start({ settings: { max_connections: "17" } });
    expect(await query(postgres.url, "SHOW max_connections")).toEqual([{ max_connections: "17" }]);
  });
});

it("keeps the data over a stop, which may be asked for twice, and a start", async () => {
  const first = await start();
  await query(first.url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (42)");
  await Promise.all([first.stop(), first.stop()]);
  await first.stop();
  expect(await first.exited).toMatchObject({ expected: true });
  const second = await start();
  expect(await query(second.url, "SELECT n FROM kept")).toEqual([{ n: 42 }]);
});

it("works with the system's PostgreSQL where there is one, and keeps using the version that made the cluster", async ({
  skip,
}) => {
  const user = serverUser(path.join(dataDir, "postgres"));
  const system = await findBinaries({
    prefer: "system",
    user,
    copyDir: path.join(dataDir, "binaries"),
    existing: undefined,
  });
  if (system.binDir.includes("@embedded-postgres")) skip("this machine has no PostgreSQL of its own");
  const first = await start({ prefer: "system" });
  expect(first.version).toBe(system.version);
  await first.stop();
  const second = await start();
  expect(second.version).toBe(system.version);
});

describe("a folder that cannot be used is refused with the way out", () => {
  it("when another version of PostgreSQL made its cluster", async () => {
    await (await start()).stop();
    const versionFile = path.join(dataDir, "postgres", "PG_VERSION");
    fs.writeFileSync(versionFile, "12\n");
    await expect(start()).rejects.toThrow(
      /made by PostgreSQL 12, .*Install PostgreSQL 12 .*MILLPOND_DATA_DIR.*DATABASE_URL/s,
    );
    expect(fs.existsSync(path.join(dataDir, "postgres", "global", "pg_control"))).toBe(true);
  });

  it("when the password is gone or is not the cluster's", async () => {
    await (await start()).stop();
    const secret = path.join(dataDir, "postgres.secret");
    fs.writeFileSync(secret, "guessed\n");
    await expect(start()).rejects.toThrow(`the password in ${secret} is not that of the database`);
    fs.rmSync(secret);
    await expect(start()).rejects.toThrow(/cannot read .*postgres\.secret.*MILLPOND_DATA_DIR/);
  });

  it("when a setting keeps PostgreSQL from starting: with what PostgreSQL said", async () => {
    await expect(start({ settings: { shared_buffers: "plenty" } })).rejects.toThrow(
      /invalid value for parameter "shared_buffers"/,
    );
  });

  it.runIf(asRoot)("when PostgreSQL's user cannot reach it", async () => {
    fs.mkdirSync(path.join(dataDir, "private"), { mode: 0o700 });
    const unreachable = path.join(dataDir, "private", "data");
    await expect(start({ dataDir: unreachable })).rejects.toThrow(/cannot reach the data folder .*MILLPOND_DATA_DIR/);
  });

  it("when it cannot be made", async () => {
    const file = path.join(dataDir, "file");
    fs.writeFileSync(file, "");
    await expect(start({ dataDir: path.join(file, "data") })).rejects.toThrow(
      /cannot write to the data folder.*DATABASE_URL/,
    );
  });
});

it("tells a port that somebody else has taken from other failures", async () => {
  await (await start()).stop();
  const folder = openDataFolder(dataDir);
  const user = serverUser(folder.cluster);
  const binaries = await findBinaries({ prefer: "embedded", user, copyDir: folder.binaries, existing: undefined });
  const squatter = net.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => squatter.once("listening", resolve));
  const logFd = openLog(folder);
  const settings = { listen_addresses: "127.0.0.1", unix_socket_directories: "" };
  const plan = { folder, binaries, user, logFd, password: "", settings, startTimeoutMs: 30_000 };
  const { port } = squatter.address() as net.AddressInfo;
  await expect(startPostmaster(plan, port)).rejects.toMatchObject({ obstacle: "port-taken" });
  fs.closeSync(logFd);
  squatter.close();
});
