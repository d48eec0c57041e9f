import { setTimeout as delay } from "node:timers/promises";
import { createClient } from "@millpond/sdk";
import { expect, test } from "vitest";
import { createRandom, type Random } from "../engine/random.ts";
import { freePort, type ServeProcess, startServeProcess } from "../support/serve-process.ts";
import { createMigratedDatabase } from "../support/template-database.ts";
import { startReceiver } from "../webhooks/receiver.ts";
import { createAndWork } from "./kill-load.ts";
import { type MortalPostgres, startMortalPostgres } from "./mortal-postgres.ts";
import { prove, readTasks } from "./prove-end.ts";

const killingMs = 40_000;
const success = 6;
const failure = 7;

/** To make the same choices again: set this to the seed that was printed. Their timing is left to chance. */
const seed = Number(process.env.CHAOS_SEED ?? Date.now() % 2 ** 31);

test("servers and PostgreSQL that are killed at any moment lose nothing that was acknowledged, start nothing too often, and all ends", async () => {
  console.info(`CHAOS_SEED=${seed}`);
  const random = createRandom(seed);
  await using stack = new AsyncDisposableStack();
  const receiver = stack.use(await startReceiver((response) => response.writeHead(200).end('{"success":{}}')));
  const postgres = stack.use(await startMortalPostgres());
  const database = await createMigratedDatabase(postgres.url);
  stack.defer(() => database.drop());
  const servers = [stack.use(await startMortalServer(database.url)), stack.use(await startMortalServer(database.url))];
  const clients = servers.map(({ url }) => createClient({ address: url, retry: false }));
  stack.defer(() => {
    for (const client of clients) client.close();
  });

  const enough = new AbortController();
  const load = createAndWork({
    ...{ clients, random, creators: 6, workers: 4, receiverUrl: receiver.url, enough: enough.signal },
  });
  const killing = killAtRandom({ servers, postgres, random, load }).finally(() => enough.abort());
  const [ledger, kills] = await Promise.all([load, killing]);

  const tasks = await readTasks(database.url);
  const repeated = [...tasks.values()].filter(({ attempt }) => attempt > 1).length;
  console.info(`killed ${kills.join(", ")}; ${ledger.created.size} tasks, ${repeated} of them started more than once`);
  expect([...tasks.keys()].sort()).toEqual([...ledger.created].sort());
  expect([...tasks.values()].filter(({ status }) => status < success)).toEqual([]);
  expect([...tasks.values()].filter(({ attempt, attemptsMax }) => attempt > attemptsMax)).toEqual([]);
  for (const [taskId, { attempt, outcome }] of ledger.reported)
    expect(tasks.get(taskId)).toMatchObject({ attempt, status: outcome === "success" ? success : failure });
  expect(twice(ledger.given)).toEqual([]);
  expect(twice(receiver.calls.map(({ headers }) => `${headers["idempotency-key"]}`))).toEqual([]);
  await prove(clients[0] as (typeof clients)[number], database.url);
});

function twice(names: readonly string[]): string[] {
  const seen = new Set<string>();
  return names.filter((name) => seen.size === seen.add(name).size);
}

/** A server process that always comes back under its address. */
interface MortalServer extends AsyncDisposable {
  readonly url: string;
  kill(): Promise<void>;
  restart(): Promise<void>;
}

async function startMortalServer(databaseUrl: string): Promise<MortalServer> {
  const env = {
    ...{ PORT: String(await freePort()), DATABASE_URL: databaseUrl },
    MILLPOND_WEBHOOK_ALLOW_LOOPBACK: "true",
  };
  let serving: ServeProcess = await startServeProcess(env);
  const kill = async (): Promise<void> => void (await serving.end("SIGKILL"));
  return {
    url: serving.url,
    kill,
    restart: async () => {
      serving = await startServeProcess(env);
    },
    [Symbol.asyncDispose]: kill,
  };
}

interface Killing {
  readonly servers: readonly MortalServer[];
  readonly postgres: MortalPostgres;
  readonly random: Random;
  /** Its failure ends the killing. */
  readonly load: Promise<unknown>;
}

/** Kills servers again and again, and PostgreSQL twice, alone or together with a server; tells what it killed. */
async function killAtRandom({ servers, postgres, random, load }: Killing): Promise<string[]> {
  const end = performance.now() + killingMs;
  const killed: string[] = [];
  let postgresKills = 0;
  while (performance.now() < end) {
    await Promise.race([delay(500 + random.below(3_000)), load]);
    const due = ((postgresKills + 0.5) * killingMs) / 2;
    const withPostgres = postgresKills < 2 && end - performance.now() < killingMs - due;
    const n = random.below(servers.length);
    const victims = withPostgres && random.chance(0.5) ? [] : servers.slice(n, n + 1);
    await Promise.all([...victims.map((server) => server.kill()), withPostgres ? postgres.kill() : undefined]);
    if (withPostgres) postgresKills += 1;
    killed.push([...victims.map(() => `server ${n}`), ...(withPostgres ? ["PostgreSQL"] : [])].join(" with "));
    await postgres.isUp();
    for (const server of victims) await server.restart();
  }
  return killed;
}
