import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { FailureCause, HttpMethod, type Task, TaskStatus } from "@millpond/sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { setup } from "../support/setup.ts";
import { type Receiver, startReceiver } from "../webhooks/receiver.ts";
import { dependsOn, eventually, newKind, sharedServer, type TaskInit } from "./shared-server.ts";

const server = sharedServer();

type Answer = Parameters<typeof startReceiver>[0];

async function receiver(answer: Answer): Promise<Receiver> {
  const started = await startReceiver(answer);
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

const accept: Answer = (response) => response.writeHead(202).end();
const json =
  (body: unknown): Answer =>
  (response) =>
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));

const push = (url: string, task: TaskInit = {}): TaskInit => ({
  ...{ key: "p", name: "push", kind: newKind() },
  execution: { case: "onStart", value: { url } },
  ...task,
});

async function taskThat(taskId: string, holds: (task: Task) => boolean, what: string): Promise<Task> {
  return eventually(async () => {
    const task = await server.task(taskId);
    return holds(task) ? task : undefined;
  }, what);
}

const isIn =
  (...statuses: TaskStatus[]) =>
  (task: Task) =>
    statuses.includes(task.status);

/** The handle that a receiver was given. */
function handleOf(target: Receiver, n = 0): string {
  return target.calls[n]?.url.searchParams.get("handle") ?? "";
}

async function send(url: string, body: unknown, method = "POST", type = "application/x-www-form-urlencoded") {
  const response = await fetch(url, { method, headers: { "content-type": type }, body: JSON.stringify(body) });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

describe("the start call", () => {
  test("carries the handle, the idempotency key, the task's headers and the Assignment", async () => {
    const target = await receiver(accept);
    const kind = newKind();
    const { ids } = await server.graph([
      { key: "parent", name: "parent", kind },
      push(`${target.url}?mine=a%20b`, { metadata: { m: 1 }, dependencies: dependsOn("parent") }),
    ]);
    await server.succeed(await server.claimOne(kind));
    const taskId = ids.p ?? "";
    await taskThat(taskId, isIn(TaskStatus.RUNNING), "the task to run");
    expect(target.calls).toHaveLength(1);
    const [call] = target.calls;
    expect(call?.method).toBe("POST");
    expect(call?.url.searchParams.get("mine")).toBe("a b");
    expect(handleOf(target)).toMatch(new RegExp(`^${server.url}/task/${taskId}\\?attempt=1&token=`));
    expect(call?.headers).toMatchObject({
      "idempotency-key": `${taskId}:1:start`,
      "x-task-id": taskId,
      "x-task-trigger": "start",
      "x-task-attempt": "1",
      "content-type": "application/json",
      traceparent: expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/),
    });
    expect(JSON.parse(call?.body ?? "")).toMatchObject({
      ...{ attempt: 1, task: { taskId, key: "p", metadata: { m: 1 } } },
      parents: { parent: { taskId: ids.parent, status: "TASK_STATUS_SUCCESS" } },
    });
  });

  test("uses the method, headers and body as they were given", async () => {
    const target = await receiver(accept);
    const { ids } = await server.graph([
      push(target.url, {
        execution: {
          case: "onStart",
          value: {
            ...{ url: target.url, method: HttpMethod.PUT, headers: { Authorization: "Bearer x", "X-Mine": "é" } },
            body: { kind: { case: "stringValue", value: "mine" } },
          },
        },
      }),
    ]);
    await taskThat(ids.p ?? "", isIn(TaskStatus.RUNNING), "the task to run");
    expect(target.calls[0]).toMatchObject({ method: "PUT", headers: { authorization: "Bearer x" }, body: '"mine"' });
    expect((await server.task(ids.p ?? "")).execution).toMatchObject({
      ...{ case: "onStart", value: { url: target.url, method: HttpMethod.PUT, headers: { "X-Mine": "é" } } },
    });
  });

  test("is never made for a task that was canceled before, and a worker never gets a push task", async () => {
    const target = await receiver(accept);
    const kind = newKind();
    const { ids } = await server.graph([
      { key: "a", name: "a", kind },
      push(target.url, { kind, dependencies: dependsOn("a") }),
    ]);
    await server.client.tasks.cancelTasks({ taskIds: [ids.p ?? ""] });
    await server.succeed(...(await server.claim(kind, { max: 5 })));
    expect(await server.claim(kind, { waitMs: 300 })).toEqual([]);
    expect(target.calls).toHaveLength(0);
  });
});

describe("a report by handle", () => {
  test.each([["POST"], ["PATCH"]])("ends the task by plain HTTP, whatever curl calls the body: %s", async (method) => {
    const target = await receiver(accept);
    const kind = newKind();
    const { ids } = await server.graph([
      push(target.url),
      { key: "child", name: "child", kind, dependencies: dependsOn("p") },
    ]);
    const taskId = ids.p ?? "";
    await taskThat(taskId, isIn(TaskStatus.RUNNING), "the task to run");
    const handle = handleOf(target);
    const progress = await send(handle, { heartbeat: { progress: { at: 5 } }, addSuccessCount: 3 }, method);
    expect(progress).toMatchObject({ status: 200, json: { taskId, status: "TASK_STATUS_RUNNING", successCount: "3" } });
    const done = await send(handle, { success: { output: { rows: 7 } } }, method);
    expect(done).toMatchObject({ status: 200, json: { status: "TASK_STATUS_SUCCESS" } });
    expect(await server.task(taskId)).toMatchObject({ status: TaskStatus.SUCCESS, successCount: 3n, attempt: 1 });
    const child = await server.claimOne(kind);
    expect(child.parents.p?.output?.kind.case).toBe("structValue");
    const again = await send(handle, { success: {} }, method);
    expect(again).toMatchObject({ status: 409, json: { code: "failed_precondition" } });
    expect(JSON.stringify(again.json)).toContain("TASK_ENDED");
  });

  test("needs the token of the task and of the attempt: 404 for every other, with one and the same answer", async () => {
    const target = await receiver(accept);
    const { ids } = await server.graph([push(target.url), push(target.url, { key: "q" })]);
    for (const id of Object.values(ids)) await taskThat(id, isIn(TaskStatus.RUNNING), "the tasks to run");
    const [one = "", two = ""] = [handleOf(target, 0), handleOf(target, 1)];
    const token = (handle: string) => new URL(handle).searchParams.get("token") ?? "";
    const wrong = [
      one.replace(token(one), token(two)),
      one.replace("attempt=1", "attempt=2"),
      one.replace(/token=.*/, "token="),
      one.replace(/&token=.*/, ""),
      `${one}x`,
      one.replace(/task\/[^?]*/, "task/01900000-0000-7000-8000-000000000000"),
      one.replace(/task\/[^?]*/, "task/x"),
    ];
    const answers = await Promise.all(wrong.map((url) => send(url, { success: {} })));
    expect(answers.map(({ status }) => status)).toEqual(wrong.map(() => 404));
    expect(new Set(answers.map((answer) => JSON.stringify(answer.json))).size).toBe(1);
    const bad = [
      { success: {}, failure: {} },
      { sucess: {} },
      {},
      [],
      { success: {}, taskId: ids.q },
      { addSuccessCount: -1, started: {} },
    ];
    for (const body of bad) {
      const refused = await send(one, body);
      expect([body, refused.status, JSON.stringify(refused.json)]).toEqual([
        body,
        400,
        expect.stringContaining("INVALID_FIELD"),
      ]);
    }
    expect(await server.status(ids.p ?? "")).toBe("RUNNING");
  });

  test("of an attempt that was taken back is 410", async () => {
    const target = await receiver(accept);
    const { ids } = await server.graph([push(target.url)]);
    const taskId = ids.p ?? "";
    await taskThat(taskId, isIn(TaskStatus.RUNNING), "the task to run");
    // Only a retry, which a later version has, could bring the task to its second attempt from here.
    await server.query("update task_state set attempt = 2 where status = 4 and execution = 2 and attempt = 1");
    expect(await send(handleOf(target), { success: {} })).toMatchObject({ status: 410 });
  });

  test("is taken while the start call is still under way: a fast receiver may be done before it has answered", async () => {
    const reported = Promise.withResolvers<{ status: number; json: Record<string, unknown> }>();
    const target = await receiver(async (response, call) => {
      reported.resolve(await send(call.url.searchParams.get("handle") ?? "", { success: { output: "early" } }));
      response.writeHead(200).end();
    });
    const { ids } = await server.graph([push(target.url)]);
    expect(await reported.promise).toMatchObject({ status: 200, json: { status: "TASK_STATUS_SUCCESS" } });
    const task = await server.task(ids.p ?? "");
    expect(task).toMatchObject({ status: TaskStatus.SUCCESS, output: { kind: { value: "early" } } });
    expect(target.calls).toHaveLength(1);
    const events = await server.events(3, { taskIds: [task.taskId] });
    const changes = events.flatMap(({ payload }) =>
      payload.case === "taskStatusChanged" ? [TaskStatus[payload.value.to]] : [],
    );
    expect(changes).toEqual(["CLAIMED", "SUCCESS"]);
  });

  test("survives a restart: another server on the database answers the handle too", async () => {
    const target = await receiver(accept);
    await using first = await setup();
    const { tasks } = await first.client.tasks.createTasks({ tasks: [push(target.url)] });
    const taskId = tasks[0]?.taskId ?? "";
    const status = async (client = first.client) => (await client.tasks.getTask({ taskId })).task?.status;
    await eventually(async () => ((await status()) === TaskStatus.RUNNING ? true : undefined), "the task to run");
    await first.server.stop();
    const second = await first.another();
    const handle = new URL(handleOf(target));
    const done = await send(`${second.url}${handle.pathname}${handle.search}`, { success: {} });
    expect(done).toMatchObject({ status: 200, json: { status: "TASK_STATUS_SUCCESS" } });
    expect(await status(second.client)).toBe(TaskStatus.SUCCESS);
  });
});

describe("the answer of the receiver", () => {
  test("with a success ends the task at once, and lets its children start", async () => {
    const target = await receiver(json({ success: { output: [1, { a: null }] } }));
    const kind = newKind();
    const { ids } = await server.graph([push(target.url), { key: "c", name: "c", kind, dependencies: dependsOn("p") }]);
    const [child] = await server.claim(kind, { waitMs: 10_000 });
    expect(child?.parents.p).toMatchObject({
      taskId: ids.p,
      status: TaskStatus.SUCCESS,
      output: { kind: { case: "listValue" } },
    });
  });

  test("with a failure fails it as REPORTED, also with text that PostgreSQL does not know", async () => {
    const target = await receiver(
      json({ failure: { message: `no\0pe${"x".repeat(20_000)}`, code: `E${"1".repeat(300)}`, details: { a: 1 } } }),
    );
    const { ids } = await server.graph([push(target.url)]);
    const task = await taskThat(ids.p ?? "", isIn(TaskStatus.FAILURE), "the task to fail");
    expect(task.failure?.cause).toBe(FailureCause.REPORTED);
    expect(task.failure?.message.length).toBeLessThanOrEqual(16_384);
    expect(task.failure?.code.length).toBeLessThanOrEqual(255);
  });

  test("with an output that no client could read fails it with START_FAILED", async () => {
    const answer: Answer = (response) =>
      response.writeHead(200).end(`{"success":{"output":${"[".repeat(40)}${"]".repeat(40)}}}`);
    const target = await receiver(answer);
    const { ids } = await server.graph([push(target.url)]);
    const task = await taskThat(ids.p ?? "", isIn(TaskStatus.FAILURE, TaskStatus.SUCCESS), "the task to end");
    expect(task.failure).toMatchObject({ cause: FailureCause.START_FAILED, code: "INVALID_ANSWER" });
  });

  test.each([
    ["500", (response) => response.writeHead(500).end("broken\0 <b>"), /500.*broken/],
    ["404", (response) => response.writeHead(404).end(), /404/],
    ["a redirect", (response) => response.writeHead(302, { location: "http://169.254.169.254/" }).end(), /redirect/],
    ["nothing but a closed connection", (_response, _call, socket) => socket.destroy(), /./],
  ] satisfies [string, Answer, RegExp][])("%s fails the task with START_FAILED", async (_what, answer, message) => {
    const target = await receiver(answer);
    const { ids, batchId } = await server.graph([push(target.url)]);
    const task = await taskThat(ids.p ?? "", isIn(TaskStatus.FAILURE), "the task to fail");
    expect(task).toMatchObject({
      attempt: 1,
      failure: { cause: FailureCause.START_FAILED, message: expect.stringMatching(message) },
    });
    expect(await server.stats(batchId)).toEqual({ FAILURE: 1 });
  });

  test("to a port where nobody listens fails it too", async () => {
    const target = await startReceiver(accept);
    await target[Symbol.asyncDispose]();
    const { ids } = await server.graph([push(target.url)]);
    const task = await taskThat(ids.p ?? "", isIn(TaskStatus.FAILURE), "the task to fail");
    expect(task.failure?.cause).toBe(FailureCause.START_FAILED);
  });

  test("that does not come within start_timeout returns the task for another attempt", async () => {
    let calls = 0;
    const target = await receiver((response) => {
      calls += 1;
      if (calls > 1) response.writeHead(200).end();
    });
    const { ids } = await server.graph([push(target.url, { startTimeout: durationFromMs(1_000) })]);
    const task = await taskThat(ids.p ?? "", isIn(TaskStatus.RUNNING), "the second attempt");
    expect(task.attempt).toBe(2);
    expect(target.calls.map(({ headers }) => headers["x-task-attempt"])).toEqual(["1", "2"]);
    expect(new Set(target.calls.map(({ headers }) => headers["idempotency-key"])).size).toBe(2);
    expect(await send(handleOf(target, 0), { success: {} })).toMatchObject({ status: 410 });
    expect(await send(handleOf(target, 1), { success: {} })).toMatchObject({ status: 200 });
  });
});
