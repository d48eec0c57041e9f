import { create } from "@bufbuild/protobuf";
import { pino } from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { claimTasks } from "../../src/commands/claim-tasks.ts";
import { smallGraphTasksMax } from "../../src/commands/create-large-graph.ts";
import { createTasks } from "../../src/commands/create-tasks.ts";
import { loadSettings } from "../../src/config/settings.ts";
import { NewTaskSchema } from "../../src/gen/millpond/v1/task_pb.ts";
import { loadAssignments } from "../../src/queries/load-assignments.ts";
import { createEngineParts, type EngineParts } from "../../src/server/engine-parts.ts";
import { decodeNewTask } from "../../src/wire/new-task.ts";
import { createTestDatabase, type TestDatabase } from "../support/database.ts";

let database: TestDatabase;
let parts: EngineParts;
let leaving: AbortController;

beforeEach(async () => {
  leaving = new AbortController();
  database = await createTestDatabase();
  const { settings } = loadSettings({});
  const logger = pino({ level: "silent" });
  parts = createEngineParts({ settings, databaseUrl: database.url, logger, onError: () => () => {} });
});

afterEach(async () => {
  leaving.abort();
  await parts.db.close();
  await database.drop();
});

const size = smallGraphTasksMax + 2;
const newTasks = Array.from({ length: size }, (_, n) =>
  decodeNewTask(
    create(NewTaskSchema, {
      ...{ key: `t${n}`, name: `task ${n}`, kind: "k", metadata: { n }, critical: n % 2 === 0 },
      dependencies: n === 0 ? [] : [{ parent: { case: "key", value: "t0" } }],
    }),
    `tasks[${n}]`,
    { encode: String, decode: BigInt } as never,
  ),
);

async function createLarge() {
  return createTasks(parts.engine, {
    ...{ requestId: undefined, bodyHash: Buffer.alloc(32), validateOnly: false, answers: "tasks" },
    target: {
      ...{ case: "newBatch", open: false, name: "large", metadata: "{}", paused: false },
      ...{ onComplete: null, onCompleteCount: 0 },
    },
    tasks: newTasks,
  });
}

async function claim(max: number) {
  const { engine } = parts;
  const worker = await engine.dictionaries.internWorker(engine.namespaceId, "w");
  const queues = engine.dictionaries.queuesOfKinds(engine.namespaceId, ["k"]).map(({ id }) => id);
  return (await claimTasks(engine, { queues, places: Array(max).fill({ worker, leaseMs: 60_000 }) })).tasks;
}

/** A worker waits, though not for these tasks: nobody else takes them here. */
function wait(): void {
  const request = { worker: 1, kinds: ["other"], labels: {}, max: 1, leaseMs: 60_000, waitMs: 60_000 };
  void parts.workers.claim({ ...request, signal: leaving.signal });
}

test("of a large graph that was created here while a worker waits, only what its parents left is read", async () => {
  wait();
  const { tasks } = await createLarge();
  const [root] = await claim(10);
  expect(root?.id).toBe(tasks[0]?.id);
  await parts.db.write(
    {
      name: "end",
      text: "select mp_report(array[$1::bigint], '{1}', '{3}', null, null, null, null, null, null, null, null, null, null, null)",
    },
    [root?.id],
  );
  const claimed = await claim(1_000);
  expect(claimed).toHaveLength(1_000);
  expect(claimed.every(({ assignment }) => assignment !== undefined)).toBe(true);
  const read = vi.spyOn(parts.db, "readByKey");
  const known = await loadAssignments(parts.engine, claimed);
  expect(read.mock.calls.map(([{ name }]) => name)).toEqual(["get_parent_results"]);
  const unknown = await loadAssignments(
    parts.engine,
    claimed.map(({ id, attempt }) => ({ id, attempt })),
  );
  const shown = ({ loaded }: typeof known) =>
    loaded.map(({ task, parents }) => ({ ...task, total: undefined, parents: parents.map(({ id }) => id) }));
  expect(shown(known)).toEqual(shown(unknown));
});

test("of one that ran into a conflict and is written again, each task is kept once", async () => {
  wait();
  const sql = [
    "create sequence tries",
    `create function fail_once() returns trigger language plpgsql as
      $$ begin if nextval('tries') = 1 then raise exception using errcode = '40001'; end if; return new; end $$`,
    "create trigger fail_once before insert on batch for each row execute function fail_once()",
  ];
  for (const text of sql) await parts.db.write({ name: text.slice(0, 20), text }, []);
  const remember = vi.spyOn(parts.engine.given, "remember");
  await createLarge();
  const [[, kept = []] = []] = remember.mock.calls;
  // But for the first one, which leads to too many others.
  expect(kept.map(({ key }) => key)).toEqual(newTasks.slice(1).map(({ key }) => key));
  expect(parts.engine.given.size).toBe(size - 1);
});

test("nothing of it is kept while no worker waits or has come", async () => {
  await createLarge();
  expect(parts.engine.given.size).toBe(0);
});
