import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  BatchStatus,
  type CreateTasksResponse,
  type MillpondClient,
  type NewTaskSchema,
  TaskStatus,
} from "@millpond/sdk";
import { expect, test } from "vitest";
import { atOnce, playRounds, type Race, startRace, statusesOf, take } from "./race.ts";
import { range, report } from "./two-servers.ts";

type TaskInit = MessageInitShape<typeof NewTaskSchema>;

const hook = { url: "http://127.0.0.1:9/" };

function unique(kind: string, value: string, init: Partial<TaskInit> = {}): TaskInit {
  return { name: value, kind, metadata: { value }, dedupe: [{ kind, fields: ["value"] }], ...init } as TaskInit;
}

function create(
  client: MillpondClient,
  tasks: readonly TaskInit[],
  options: { requestId?: string; batchId?: string } = {},
): Promise<CreateTasksResponse> {
  const { requestId = "", batchId } = options;
  const target =
    batchId === undefined
      ? { case: "newBatch" as const, value: { onComplete: [hook] } }
      : { case: "batchId" as const, value: batchId };
  return client.tasks.createTasks({ requestId, target, tasks: [...tasks] });
}

/** How often the end of each of some batches is to be told. */
async function tellings(s: Race): Promise<number[]> {
  const rows = await s.query<{ n: string }>(
    `select count(d.id) n from batch_state b left join delivery d on d.batch_id = b.batch_id and d.trigger = 4
     where b.status > 2 and b.on_complete > 0 group by b.batch_id`,
  );
  return rows.map(({ n }) => Number(n));
}

test("of sixteen creates of the same task at once one creates it, and all answer its id; batches that got nothing end, each told once", async () => {
  await using s = await startRace();
  const rounds = await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const answers = await atOnce(range(16).map((k) => () => create(s.client(k), [unique(kind, `value ${n}`)])));
    const ids = new Set(answers.map(({ tasks }) => tasks[0]?.taskId));
    expect(ids.size).toBe(1);
    expect(answers.filter(({ tasks }) => tasks[0]?.deduplicated === false).length).toBe(1);
    const ended = answers.filter(({ batch }) => batch?.status === BatchStatus.SUCCESS);
    expect(ended.map(({ batch }) => batch?.stats?.total)).toEqual(range(15).map(() => 0n));
    expect(await take(s.b, [kind])).toEqual([...ids]);
    await report(s.a, [...ids] as string[]);
  });
  expect(await tellings(s)).toEqual(range(16 * rounds).map(() => 1));
  await s.finish();
});

test("a set of fields that nobody has compared before is compared by all who come with it at once, and finds what exists and what is being created", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n}`;
    const field = `field ${n}`;
    const of = (value: string, isUnique = true): TaskInit => ({
      ...{ name: value, kind, metadata: { [field]: value }, dedupe: isUnique ? [{ kind, fields: [field] }] : [] },
    });
    const plain = await create(s.a, [of("old", false)]);
    // Plain creates of the same kind come meanwhile: they are found afterwards.
    const [first, ...others] = await atOnce([
      () =>
        create(
          s.b,
          range(8).map((k) => of(`plain ${k}`, false)),
        ),
      ...range(8).map((k) => () => create(s.client(k), [of("new"), of("old")])),
    ]);
    expect(new Set(others.map(({ tasks }) => tasks[0]?.taskId)).size).toBe(1);
    expect(others.filter(({ tasks }) => tasks[0]?.deduplicated === false).length).toBe(1);
    expect(new Set(others.map(({ tasks }) => tasks[1]?.taskId))).toEqual(new Set([plain.tasks[0]?.taskId]));
    const again = await create(
      s.a,
      range(8).map((k) => of(`plain ${k}`)),
    );
    expect(again.tasks.map((task) => task.taskId)).toEqual(first?.tasks.map((task) => task.taskId));
    expect((await take(s.b, [kind])).length).toBe(10);
  });
  await s.finish();
});

test("values that overlap in any order between calls are created once each, without a deadlock", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const values = range(24).map((k) => `${n} ${k}`);
    const answers = await atOnce(
      range(12).map((k) => () => {
        const list = [...values.slice(k), ...values.slice(0, k)].slice(0, 16);
        return create(
          s.client(k),
          (k % 2 === 0 ? list : list.reverse()).map((value) => unique(kind, value)),
        );
      }),
    );
    const created = answers.flatMap(({ tasks }) => tasks.filter((task) => !task.deduplicated));
    expect(created.length).toBe(24);
    const taskIds = await take(s.a, [kind]);
    expect(taskIds.sort()).toEqual(created.map((task) => task.taskId).sort());
    await report(s.b, taskIds);
  });
  await s.finish({ noDeadlocks: true });
});

test("a task that is found while it ends is answered, and what depends on it is decided by its end; after it a new one is created", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const cells = range(16);
    const value = (k: number): string => `${n} ${k}`;
    const first = await create(
      s.a,
      cells.map((k) => unique(kind, value(k))),
    );
    const running = await take(s.a, [kind]);
    const idOf = (k: number): string => first.tasks[k]?.taskId as string;
    const answers: CreateTasksResponse[] = [];
    await atOnce<unknown>(
      cells.flatMap((k) => [
        () => report(s.client(k), [idOf(k)], k % 2 === 0 ? "success" : "failure"),
        async () => {
          answers[k] = await create(s.client(k + 1), [
            { ...unique(kind, value(k)), key: "parent" },
            { key: "child", name: "child", kind: "next", dependencies: [{ parent: { case: "key", value: "parent" } }] },
          ]);
        },
      ]),
    );
    expect(running.length).toBe(16);
    const children = answers.map(({ tasks }) => tasks[1]?.taskId as string);
    const statuses = await statusesOf(s.b, children);
    for (const [k, { tasks }] of answers.entries()) {
      const found = tasks[0]?.taskId === idOf(k);
      expect(tasks[0]?.deduplicated).toBe(found);
      expect(statuses[k]).toBe(found ? (k % 2 === 0 ? "PENDING" : "FAILURE") : "WAITING");
    }
    const late = await create(
      s.a,
      cells.map((k) => unique(kind, value(k))),
    );
    for (const [k, task] of late.tasks.entries()) {
      const wasFound = answers[k]?.tasks[0]?.taskId === idOf(k);
      expect([task.deduplicated, task.taskId === answers[k]?.tasks[0]?.taskId]).toEqual([!wasFound, !wasFound]);
    }
    await report(s.a, await take(s.b, [kind]));
    await report(s.a, await take(s.b, ["next"]));
  });
  await s.finish();
});

test("a task that is retried while others look for it is found again, or has been replaced before", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const cells = range(16);
    const first = await create(
      s.a,
      cells.map((k) => unique(kind, `${n} ${k}`)),
    );
    const taskIds = first.tasks.map((task) => task.taskId);
    await take(s.a, [kind]);
    await report(s.a, taskIds, "failure");
    // Some have been looked for since they ended.
    const seen = await create(
      s.b,
      cells.slice(0, 4).map((k) => unique(kind, `${n} ${k}`)),
    );
    expect(seen.tasks.map((task) => task.deduplicated)).toEqual([false, false, false, false]);
    const answers = await atOnce<CreateTasksResponse | undefined>([
      ...cells.map((k) => async () => {
        await s.client(k).tasks.retryTasks({ taskIds: [taskIds[k] as string] });
        return undefined;
      }),
      ...cells.map((k) => () => create(s.client(k + 1), [unique(kind, `${n} ${k}`)])),
    ]);
    for (const k of cells) {
      const [task] = answers[16 + k]?.tasks ?? [];
      const known = [taskIds[k], seen.tasks[k]?.taskId];
      expect(task?.deduplicated, `${k}`).toBe(known.includes(task?.taskId));
      if (k < 4) expect(task?.deduplicated).toBe(true);
    }
    const late = await create(
      s.a,
      cells.map((k) => unique(kind, `${n} ${k}`)),
    );
    expect(late.tasks.every((task) => task.deduplicated)).toBe(true);
    await report(s.a, await take(s.b, [kind]));
  });
  await s.finish();
});

test("metadata that is changed while a set of fields is compared for the first time is found by its new values", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n}`;
    const field = `field ${n}`;
    const { tasks } = await create(
      s.a,
      range(6).map((k) => ({ name: "task", kind, metadata: { [field]: `old ${k}` } })),
    );
    await atOnce<unknown>([
      ...tasks.map(
        ({ taskId }, k) =>
          () =>
            s.client(k).tasks.updateTask({
              task: { taskId, metadata: { [field]: `new ${k}` } },
              updateMask: { paths: ["metadata"] },
            }),
      ),
      () => create(s.b, [{ name: "task", kind, metadata: { [field]: "other" }, dedupe: [{ kind, fields: [field] }] }]),
    ]);
    const again = await create(
      s.a,
      range(6).map((k) => ({
        name: "task",
        kind,
        metadata: { [field]: `new ${k}` },
        dedupe: [{ kind, fields: [field] }],
      })),
    );
    expect(again.tasks.map((task) => task.taskId)).toEqual(tasks.map((task) => task.taskId));
    const { tasks: left } = await s.b.tasks.listTasks({ kinds: [kind], statuses: [TaskStatus.PENDING] });
    expect(left.length).toBe(7);
  });
  await s.finish();
});
