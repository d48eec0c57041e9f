import { ErrorReason, TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

const commits = async (): Promise<number> => (await server.query("select from event_tx")).length;

test("calls that come together share commits, and each is answered with its own batch", async () => {
  const kind = newKind();
  const before = await commits();
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      server.client.tasks.createTasks({
        target: { case: "newBatch", value: { name: `batch ${n}`, metadata: { n } } },
        tasks: [
          { key: "a", name: `a ${n}`, kind },
          { key: "b", name: "b", kind, dependencies: [{ parent: { case: "key", value: "a" } }] },
        ],
      }),
    ),
  );
  expect((await commits()) - before).toBeLessThan(200);
  expect(new Set(answers.map(({ batch }) => batch?.batchId)).size).toBe(200);
  for (const [n, { batch, tasks }] of answers.entries()) {
    expect(batch).toMatchObject({ name: `batch ${n}`, metadata: { n }, stats: { total: 2n } });
    expect(tasks.map(({ key, status }) => [key, status])).toEqual([
      ["a", TaskStatus.PENDING],
      ["b", TaskStatus.WAITING],
    ]);
    const read = await server.client.batches.getBatch({ batchId: batch?.batchId ?? "" });
    expect(read.batch).toEqual(batch);
    if (n === 7) expect((await server.task(tasks[0]?.taskId ?? "")).name).toBe("a 7");
  }

  const claimed = await server.claim(kind, { max: 200 });
  const between = await commits();
  const reported = await Promise.all(
    claimed.map(({ task, attempt }) =>
      server.client.tasks.reportTasks({
        reports: [{ taskId: task?.taskId ?? "", attempt, report: { case: "success", value: {} } }],
      }),
    ),
  );
  expect((await commits()) - between).toBeLessThan(200);
  for (const [n, { results }] of reported.entries()) {
    const [{ result } = { result: undefined }] = results;
    expect(result?.case === "task" && result.value).toMatchObject({
      taskId: claimed[n]?.task?.taskId,
      status: TaskStatus.SUCCESS,
      kind,
    });
  }
  expect(await server.claim(kind, { max: 1000 })).toHaveLength(200);
});

test("one call that cannot be written fails alone", async () => {
  const kind = newKind();
  const most = 2n ** 63n - 1n;
  const calls = Array.from({ length: 60 }, (_, n) =>
    server.client.tasks.createTasks({
      // Together, the expected counts of one batch are beyond 64 bits.
      tasks: [1, 2].map((m) => ({ name: `${n} ${m}`, kind, expectedCount: n % 20 === 7 ? most : 1n })),
    }),
  );
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.flatMap(({ status }, n) => (status === "rejected" ? [n] : []))).toEqual([7, 27, 47]);
  await expectRefusal(calls[7] as Promise<unknown>, { code: "InvalidArgument", reason: "INVALID_FIELD" });
  expect(await server.claim(kind, { max: 1000 })).toHaveLength(114);
});

test("the same request_id in calls at the same time creates once; with another body it is refused", async () => {
  const kind = newKind();
  const same = () => server.client.tasks.createTasks({ requestId: `${kind}-same`, tasks: [{ name: "once", kind }] });
  const others = Array.from({ length: 20 }, (_, n) =>
    server.client.tasks.createTasks({ requestId: `${kind}-${n}`, tasks: [{ name: "other", kind }] }),
  );
  const answers = await Promise.all(Array.from({ length: 20 }, same));
  expect(new Set(answers.map(({ batch }) => batch?.batchId)).size).toBe(1);
  expect((await same()).batch).toEqual(answers[0]?.batch);
  await Promise.all(others);
  await expectRefusal(server.client.tasks.createTasks({ requestId: `${kind}-3`, tasks: [{ name: "another", kind }] }), {
    code: "AlreadyExists",
    reason: "REQUEST_ID_REUSED",
  });
  expect(await server.claim(kind, { max: 1000 })).toHaveLength(21);
});

test("calls that are repeated among others do not take their groups apart", async () => {
  const kind = newKind();
  const create = (n: number) =>
    server.client.tasks.createTasks({ requestId: `${kind}-${n}`, tasks: [{ name: `${n}`, kind }] });
  const first = await Promise.all(Array.from({ length: 20 }, (_, n) => create(n)));
  const before = await commits();
  // Every fifteenth is one of those that have been answered.
  const numbers = Array.from({ length: 300 }, (_, n) => (n % 15 === 0 ? n / 15 : 100 + n));
  const answers = await Promise.all(numbers.map(create));
  expect((await commits()) - before).toBeLessThan(100);
  for (const [n, { batch, tasks }] of answers.entries()) {
    if (n % 15 === 0) expect(batch).toEqual(first[n / 15]?.batch);
    expect((await server.task(tasks[0]?.taskId ?? "")).name).toBe(`${numbers[n]}`);
  }
  expect(await server.claim(kind, { max: 1000 })).toHaveLength(300);
});

test("a brief report answers the id, status and attempt of what was taken, and says why of the rest", async () => {
  const kind = newKind();
  await server.graph([1, 2, 3].map((n) => ({ key: `${n}`, name: "t", kind, retry: { maxAttempts: 2 } })));
  const claimed = await server.claim(kind, { max: 3 });
  const idOf = (n: number): string => claimed[n]?.task?.taskId ?? "";
  const { results } = await server.client.tasks.reportTasks({
    brief: true,
    reports: [
      { taskId: idOf(0), attempt: 1, report: { case: "success", value: { output: { stringValue: "x" } as never } } },
      { taskId: idOf(1), attempt: 1, report: { case: "failure", value: { message: "no" } } },
      { taskId: idOf(2), attempt: 7, report: { case: "success", value: {} } },
      { taskId: idOf(0), attempt: 1, report: { case: "success", value: {} } },
    ],
  });
  const shown = results.map(({ result }) => {
    if (result.case === "error") return ErrorReason[result.value.reason];
    const { taskId, status, attempt, ...rest } = result.value ?? {};
    expect(rest).toMatchObject({ kind: "", batchId: "", workerId: "" });
    return [claimed.findIndex(({ task }) => task?.taskId === taskId), TaskStatus[status ?? 0], attempt];
  });
  expect(shown).toEqual([[0, "SUCCESS", 1], [1, "PENDING", 1], "STALE_ATTEMPT", "TASK_ENDED"]);
});

test("the tables are consistent after all of it", async () => {
  await checkInvariants(server.setup.database.url);
});
