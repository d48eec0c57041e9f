import { setTimeout as delay } from "node:timers/promises";
import { createClient, type MillpondClient } from "@millpond/sdk";
import { pino } from "pino";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { loadSettings } from "../../src/config/settings.ts";
import { startMillpond } from "../../src/server/start-millpond.ts";
import { migrateUp } from "../../src/store/migrate.ts";
import { checkInvariants } from "../support/check-invariants.ts";
import { startCutProxy } from "../support/cut-proxy.ts";
import { createTestDatabase } from "../support/database.ts";
import { freePort, type ServeProcess, startServeProcess } from "../support/serve-process.ts";
import { startCounting } from "./counting.ts";
import { type MortalPostgres, startMortalPostgres } from "./mortal-postgres.ts";

let postgres: MortalPostgres | undefined;
beforeAll(async () => {
  postgres = await startMortalPostgres();
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

function clientOf(url: string): MillpondClient {
  const client = createClient({ address: url });
  onTestFinished(() => client.close());
  return client;
}

test("whichever of two servers is killed while producers count, each count is in once", async () => {
  await using database = await createTestDatabase();
  const start = async (port: number): Promise<ServeProcess> =>
    startServeProcess({ DATABASE_URL: database.url, PORT: String(port), MILLPOND_LOG_LEVEL: "info" });
  const ports = [await freePort(), await freePort()];
  const servers = await Promise.all(ports.map(start));
  const end = (signal: NodeJS.Signals) => Promise.all(servers.map((server) => server.end(signal)));
  onTestFinished(async () => {
    for (const { child } of servers) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  });
  const urls = servers.map(({ url }) => url);
  const client = clientOf(urls[0] ?? "");
  const counting = await startCounting({ client, urls, producers: 6, tasks: 50 });
  for (let kill = 0; kill < 6; kill += 1) {
    await counting.goesOn(5_000);
    const victim = kill % 2;
    expect((await servers[victim]?.end("SIGKILL"))?.signal).toBe("SIGKILL");
    servers[victim] = await start(ports[victim] ?? 0);
  }
  await counting.goesOn(5_000);
  expect(await counting.finish(client)).toEqual([]);
  expect(counting.interruptions()).toBeGreaterThanOrEqual(6);
  await checkInvariants(database.url);
  await end("SIGTERM");
});

test("whatever becomes of PostgreSQL (frozen for seconds, out of reach, killed) while producers count, each count is in once", async () => {
  const database = postgres as MortalPostgres;
  await migrateUp(database.url);
  await using proxy = await startCutProxy(Number(new URL(database.url).port));
  const url = new URL(database.url);
  url.port = String(proxy.port);
  const { settings } = loadSettings({ PORT: "0", MILLPOND_LOG_LEVEL: "fatal", MILLPOND_COUNTS_WAITING_MAX: "500" });
  const server = await startMillpond(settings, url.href, pino({ level: "fatal" }));
  try {
    const client = clientOf(server.url);
    const counting = await startCounting({ client, urls: [server.url], producers: 4, tasks: 200 });
    await counting.goesOn(2_000);
    for (let round = 0; round < 2; round += 1) {
      const thaw = database.freeze();
      await delay(3_000);
      thaw();
      await counting.goesOn(2_000);
      proxy.cut();
      await delay(2_000);
      proxy.mend();
      await counting.goesOn(2_000);
      await database.kill();
      await database.isUp();
      await counting.goesOn(2_000);
    }
    expect(await counting.finish(client)).toEqual([]);
    await checkInvariants(database.url);
  } finally {
    await server.stop(2_000);
  }
});
