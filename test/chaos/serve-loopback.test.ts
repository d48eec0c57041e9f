import { afterAll, expect, test } from "vitest";
import { createTestDatabase } from "../support/database.ts";
import { type ServeProcess, startServeProcess } from "../support/serve-process.ts";

const database = createTestDatabase();
afterAll(async () => (await database).drop());

const warn = 40;

/** The warnings that a server logs. */
async function warningsOf(env: Readonly<Record<string, string>>): Promise<string[]> {
  const server: ServeProcess = await startServeProcess({ PORT: "0", DATABASE_URL: (await database).url, ...env });
  await server.end("SIGTERM");
  const lines = server.output().split("\n");
  return lines.map((line) => JSON.parse(line)).flatMap(({ level, msg }) => (level >= warn ? [msg] : []));
}

const setting = "MILLPOND_WEBHOOK_ALLOW_LOOPBACK";

test.each([{}, { MILLPOND_PROCESSES: "2" }])(
  "a server whose webhooks may call loopback says so once when it starts: %j",
  async (processes) => {
    expect(await warningsOf({ [setting]: "true", ...processes })).toEqual([expect.stringContaining(setting)]);
  },
);

test.each([{}, { [setting]: "false" }, { MILLPOND_WEBHOOK_ALLOW_HOSTS: "127.0.0.1,localhost" }])(
  "a server whose webhooks may not says nothing of it: %j",
  async (env) => {
    expect(await warningsOf(env)).toEqual([]);
  },
);
