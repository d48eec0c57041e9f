import { create, toJsonString } from "@bufbuild/protobuf";
import {
  ErrorReason,
  errorReason,
  type MillpondClient,
  PauseBatchResponseSchema,
  RetryBatchResponseSchema,
  SealBatchResponseSchema,
  StopBatchResponseSchema,
} from "@millpond/sdk";
import { expect, test } from "vitest";
import { atOnce, namesOf, playRounds, type Race, startRace, take } from "./race.ts";
import { type CreatedGraph, createGraph, getTask, range, report } from "./two-servers.ts";

/** A call with a request_id, and its answer as text. */
type Call = (client: MillpondClient, requestId: string) => Promise<string>;

/** Sends a call eight times at once, and once more; all answers must be equal. Answers it. */
async function once(s: Race, requestId: string, call: Call): Promise<string> {
  const answers = await atOnce(range(8).map((k) => () => call(s.client(k), requestId)));
  answers.push(await call(s.client(1), requestId));
  expect(new Set(answers).size, `${requestId}: ${[...new Set(answers)].join("\n")}`).toBe(1);
  const rows = await s.query("select from request where request_id = $1", [requestId]);
  expect(rows.length).toBe(1);
  return answers[0] as string;
}

/** How many changes of the status of a task the feed has. */
async function changesOf(s: Race, graph: CreatedGraph): Promise<number> {
  const { tasks } = await s.a.tasks.listTasks({ batchId: graph.batchId, pageSize: 1 });
  expect(tasks.length).toBe(1);
  const [row] = await s.query<{ n: string }>(
    `select count(*) n from event_change e
     where e.type in (1, 2, 3, 5, 6, 7) and e.batch_id = (select t.batch_id from task t where t.id = (select max(id) from task))`,
  );
  return Number(row?.n);
}

test("each call on tasks that is sent eight times at once with one request_id is done once and answered alike", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const graph = await createGraph(
      s.a,
      range(4).map((k) => ({ key: `${k}` })),
      { kind },
    );
    const taskIds = Object.values(graph.ids);
    const created = await changesOf(s, graph);
    const items: [string, (client: MillpondClient, requestId: string) => Promise<{ results: never[] }>][] = [
      ["pause", (client, requestId) => client.tasks.pauseTasks({ requestId, taskIds }) as never],
      ["resume", (client, requestId) => client.tasks.resumeTasks({ requestId, taskIds }) as never],
      ["cancel", (client, requestId) => client.tasks.cancelTasks({ requestId, taskIds, reason: "enough" }) as never],
      ["retry", (client, requestId) => client.tasks.retryTasks({ requestId, taskIds }) as never],
    ];
    const statuses = ["PAUSED", "PENDING", "CANCELED", "PENDING"];
    for (const [k, [name, call]] of items.entries()) {
      const answer = await once(s, `${name} ${n}`, async (client, requestId) =>
        namesOf((await call(client, requestId)).results).join(),
      );
      expect(answer).toBe(taskIds.map(() => statuses[k]).join());
    }
    // Four tasks, four changes each; the batch ended by the cancellation, and was ACTIVE again.
    expect((await changesOf(s, graph)) - created).toBe(4 * 4 + 2);
    expect((await take(s.b, [kind])).sort()).toEqual(taskIds.sort());
    await report(s.a, taskIds);
  });
  await s.finish();
});

test("an update that is sent eight times at once with one request_id is done once and answered alike, also with an etag", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const graph = await createGraph(s.a, [{ key: "task" }]);
    const taskId = graph.id("task");
    const { etag } = await getTask(s.a, taskId);
    const answer = await once(s, `update ${n}`, async (client, requestId) => {
      const { task } = await client.tasks.updateTask({
        ...{ requestId, task: { taskId, priority: 5, etag: n % 2 === 0 ? etag : "" } },
        updateMask: { paths: ["priority"] },
      });
      return `${task?.taskId} ${task?.priority} ${task?.etag}`;
    });
    expect(answer).toContain(`${taskId} 5 `);
    expect(await s.query("select edits from task_state where edits <> 0")).toEqual(
      range(n + 1).map(() => ({ edits: 1 })),
    );
  });
  await s.finish();
});

test("each call on a batch that is sent eight times at once with one request_id is done once and answered alike", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const graph = await createGraph(s.a, [{ key: "x" }, { key: "y" }], { kind, open: true });
    const { batchId } = graph;
    const created = await changesOf(s, graph);
    const calls: [string, Call][] = [
      [
        "pause",
        async (client, requestId) =>
          toJsonString(PauseBatchResponseSchema, await client.batches.pauseBatch({ requestId, batchId })),
      ],
      [
        "resume",
        async (client, requestId) =>
          toJsonString(
            PauseBatchResponseSchema,
            create(PauseBatchResponseSchema, {
              batch: (await client.batches.resumeBatch({ requestId, batchId })).batch as never,
            }),
          ),
      ],
      [
        "seal",
        async (client, requestId) =>
          toJsonString(SealBatchResponseSchema, await client.batches.sealBatch({ requestId, batchId })),
      ],
      [
        "stop",
        async (client, requestId) =>
          toJsonString(StopBatchResponseSchema, await client.batches.stopBatch({ requestId, batchId })),
      ],
      [
        "retry",
        async (client, requestId) =>
          toJsonString(RetryBatchResponseSchema, await client.batches.retryBatch({ requestId, batchId })),
      ],
    ];
    for (const [name, call] of calls) await once(s, `${name} ${n}`, call);
    // Hold, release, seal; stop: two tasks and the batch; retry: the same.
    expect((await changesOf(s, graph)) - created).toBe(3 + 3 + 3);
    expect((await take(s.b, [kind])).length).toBe(2);
    await report(s.a, Object.values(graph.ids));
  });
  await s.finish();
});

test("creates with one request_id into a batch that is being sealed are all answered alike", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const { batchId } = await createGraph(s.a, [{ key: "first" }], { open: true });
    const answers = await atOnce<string | undefined>([
      ...range(8).map(
        (k) => async () =>
          s
            .client(k)
            .tasks.createTasks({
              ...{ requestId: `create ${n}`, target: { case: "batchId", value: batchId } },
              tasks: [{ key: "second", name: "second", kind: "late", ...(n % 2 === 0 ? {} : { metadata: { n } }) }],
            })
            .then(
              ({ tasks }) => `${tasks[0]?.taskId} ${tasks[0]?.deduplicated}`,
              (error: unknown) => {
                expect(errorReason(error)).toBe(ErrorReason.BATCH_SEALED);
                return "sealed";
              },
            ),
      ),
      async () => {
        await s.client(n).batches.sealBatch({ batchId });
        return undefined;
      },
    ]);
    const distinct = new Set(answers.slice(0, 8));
    expect([...distinct], `round ${n}`).toHaveLength(1);
    await s.a.batches.stopBatch({ batchId });
  });
  await s.finish();
});

test("creates of unique tasks with one request_id are answered alike: the task is new to all of them", async () => {
  await using s = await startRace();
  await playRounds(async (n) => {
    const kind = `kind ${n % 4}`;
    const answer = await once(s, `unique ${n}`, async (client, requestId) => {
      const { tasks, batch } = await client.tasks.createTasks({
        requestId,
        tasks: [{ name: "unique", kind, metadata: { n }, dedupe: [{ kind, fields: ["n"] }] }],
      });
      return `${tasks[0]?.taskId} ${tasks[0]?.deduplicated} ${batch?.batchId}`;
    });
    expect(answer).toContain(" false ");
    await report(s.a, await take(s.b, [kind]));
  });
  await s.finish();
});
