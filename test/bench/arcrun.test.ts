import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createWithArcRun, readWithArcRun, startArcRun } from "../../bench/peers/arcrun.ts";
import { NotRun } from "../../bench/support/bench-case.ts";
import { BenchContext } from "../../bench/support/bench-context.ts";
import type { BenchmarkPostgres } from "../../bench/support/benchmark-postgres.ts";

/** Answers as ArcRun does, and keeps what it was started with and the last tasks that it was sent. */
const standIn = `
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
writeFileSync("env.json", JSON.stringify(process.env));
createServer(async (request, answer) => {
  let body = "";
  for await (const chunk of request) body += chunk;
  const found = { "GET /ready": 200, "POST /task": 201, "GET /task/an-id": 200 }[request.method + " " + request.url];
  if (found === 201) writeFileSync("tasks.json", body);
  answer.writeHead(found ?? 404, { "content-type": "application/json" }).end(JSON.stringify([{ id: "an-id" }]));
}).listen(process.env.PORT, "127.0.0.1");
`;

/** A database is named, and nobody connects to it. */
const postgres = {
  createDatabase: async (name: string) => `postgres://127.0.0.1:9/${name}`,
  dropDatabase: async () => {},
} as Partial<BenchmarkPostgres> as BenchmarkPostgres;

async function setup(program: string | undefined): Promise<{ context: BenchContext; folder: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), "millpond-arcrun-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const arcRun = program === undefined ? undefined : path.join(folder, "server.mjs");
  if (arcRun !== undefined) await writeFile(arcRun, `#!${process.execPath}\n${program}`, { mode: 0o755 });
  const context = new BenchContext({
    ...{ caseName: "create", folder, quick: true, ended: 1, arcRun, profileDir: undefined },
    ...{ postgres, signal: new AbortController().signal, progress: () => {} },
  });
  onTestFinished(() => context[Symbol.asyncDispose]());
  return { context, folder };
}

test("ArcRun is started on a database of its own, and sent graphs like Millpond's and reads", async () => {
  const { context, folder } = await setup(standIn);
  const server = await startArcRun(context);
  expect(await createWithArcRun(context, server, { tasks: 6, layers: 3, connections: 2 })).toBeGreaterThan(0);
  const tasks = JSON.parse(await readFile(path.join(folder, "tasks.json"), "utf8"));
  expect(tasks.map(({ dependencies }: { dependencies: { id: string }[] }) => dependencies.map(({ id }) => id))).toEqual(
    [[], [], ["t0", "t1"], ["t1", "t0"], ["t2", "t3"], ["t3", "t2"]],
  );
  expect(await readWithArcRun(context, server, { connections: 2 })).toBeGreaterThan(0);
  expect(JSON.parse(await readFile(path.join(folder, "env.json"), "utf8"))).toMatchObject({
    DATABASE_URL: "postgres://127.0.0.1:9/create_arcrun",
    HOST_URL: server instanceof NotRun ? "" : server.url,
  });
});

test("ArcRun is not run, and says why, where no program of it is named", async () => {
  const { context } = await setup(undefined);
  const server = await startArcRun(context);
  expect(server).toBeInstanceOf(NotRun);
  expect(await createWithArcRun(context, server, { tasks: 1, layers: 1, connections: 1 })).toBe(server);
  expect(await readWithArcRun(context, server, { connections: 1 })).toBe(server);
});

test("a program of ArcRun that ends at once fails the case, with what it said last", async () => {
  const { context } = await setup(`console.error("no such role"); process.exit(3);`);
  await expect(startArcRun(context)).rejects.toThrow(/ended with code 3.*no such role/s);
});
