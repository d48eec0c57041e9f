import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import {
  BatchService,
  CreateTasksRequestSchema,
  createClient,
  createGraph,
  ErrorReason,
  errorReason,
  fieldViolations,
  isTransient,
  TaskService,
  WorkerService,
} from "@millpond/sdk";
import { expect, onTestFinished, test } from "vitest";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../../sdk/typescript/src/gen/google/rpc/error_details_pb.js";
import { answerReader } from "../../sdk/typescript/src/grpc/answer-reader.ts";
import { readOutcomes } from "../../sdk/typescript/src/worker/read-outcomes.ts";
import { startFakeServer } from "./support/fake-server.ts";

const away = () => new ConnectError("the server is away", Code.Unavailable);
const quick = { initialBackoffMs: 1, maxBackoffMs: 5 };
const batchId = "0197a1b2-0000-7000-8000-000000000001";

async function setup(options: Partial<Parameters<typeof createClient>[0]> = {}) {
  const server = await startFakeServer();
  const client = createClient({ address: server.url, retry: quick, ...options });
  onTestFinished(async () => {
    client.close();
    await server[Symbol.asyncDispose]();
  });
  return { server, client };
}

const oneTask = () => {
  const graph = createGraph();
  graph.task("only", { kind: "work" });
  return graph.toRequest();
};

test("a read is repeated until the server is back", async () => {
  const { server, client } = await setup();
  server.failNext(BatchService.method.getBatch, away(), { times: 3 });

  const { batch } = await client.batches.getBatch({ batchId });

  expect(batch?.batchId).toBe(batchId);
  expect(server.calls).toHaveLength(4);
});

test("repeats are bounded, and the error is the server's", async () => {
  const { server, client } = await setup();
  server.failNext(BatchService.method.getBatch, away(), { times: 100 });

  await expect(client.batches.getBatch({ batchId })).rejects.toThrow("the server is away");
  expect(server.calls).toHaveLength(5);
});

test("a create whose answer was lost is repeated under the same request id and creates once", async () => {
  const { server, client } = await setup();
  server.failNext(TaskService.method.createTasks, away(), { answerLost: true });

  const answer = await client.tasks.createTasks(oneTask());

  expect(answer.tasks).toHaveLength(1);
  expect(server.engine.created).toBe(1);
  const ids = server.calls.map(({ message }) => (message as { requestId: string }).requestId);
  expect(ids).toHaveLength(2);
  expect(ids[0]).not.toBe("");
  expect(ids[1]).toBe(ids[0]);
});

test("each call gets a request id of its own, and the caller's message stays as it was", async () => {
  const { server, client } = await setup();
  const request = oneTask();

  await client.tasks.createTasks(request);
  await client.tasks.createTasks(request);

  expect(request.requestId).toBe("");
  expect(server.engine.created).toBe(2);
});

test("a request id that the caller gives is kept", async () => {
  const { server, client } = await setup();
  const request = create(CreateTasksRequestSchema, { ...oneTask(), requestId: "mine" });

  await client.tasks.createTasks(request);
  await client.tasks.createTasks(request);

  expect(server.engine.created).toBe(1);
});

test("a claim is not repeated, because the answer that was lost holds tasks", async () => {
  const { server, client } = await setup();
  server.failNext(WorkerService.method.claimTasks, away());

  await expect(client.workers.claimTasks({ workerId: "w", kinds: ["work"] })).rejects.toThrow("away");
  expect(server.calls).toHaveLength(1);
});

test("reports are repeated when none of them can count twice", async () => {
  const { server, client } = await setup();
  const { tasks } = await client.tasks.createTasks(oneTask());
  await client.workers.claimTasks({ workerId: "w", kinds: ["work"], maxTasks: 1 });
  const taskId = tasks[0]?.taskId ?? "";
  const heartbeat = { taskId, attempt: 1, report: { case: "heartbeat" as const, value: {} } };
  const success = { taskId, attempt: 1, report: { case: "success" as const, value: {} }, addSuccessCount: 3n };
  server.failNext(TaskService.method.reportTasks, away());

  const { results } = await client.tasks.reportTasks({ reports: [heartbeat, success] });

  expect(results.map(({ result }) => result.case)).toEqual(["task", "task"]);
});

test.each([
  ["a sign of life that adds successes", { attempt: 1, addSuccessCount: 1n }],
  ["a sign of life that adds failures", { attempt: 1, addFailureCount: 1n }],
  ["a report on whichever attempt is current", { attempt: 0 }],
])("%s is not repeated, nor what is sent along with it", async (_, fields) => {
  const { server, client } = await setup();
  server.failNext(TaskService.method.reportTasks, away());
  const safe = { taskId: batchId, attempt: 1, report: { case: "success" as const, value: {} } };
  const unsafe = { taskId: batchId, report: { case: "heartbeat" as const, value: {} }, ...fields };

  await expect(client.tasks.reportTasks({ reports: [safe, unsafe] })).rejects.toThrow("away");

  expect(server.calls).toHaveLength(1);
});

test("RESOURCE_EXHAUSTED is repeated only when the server says when, and not before", async () => {
  const { server, client } = await setup();
  const full = new ConnectError("full", Code.ResourceExhausted);
  server.failNext(BatchService.method.getBatch, full);
  await expect(client.batches.getBatch({ batchId })).rejects.toThrow("full");

  const details = [{ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(200) } }];
  server.failNext(BatchService.method.getBatch, new ConnectError("full", Code.ResourceExhausted, undefined, details));
  const startMs = performance.now();
  await client.batches.getBatch({ batchId });
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(199);
});

test("a delay beyond the bound is not waited for", async () => {
  const { server, client } = await setup({ retry: { ...quick, maxRequestedDelayMs: 1_000 } });
  const details = [{ desc: RetryInfoSchema, value: { retryDelay: durationFromMs(60_000) } }];
  server.failNext(BatchService.method.getBatch, new ConnectError("later", Code.Unavailable, undefined, details));

  await expect(client.batches.getBatch({ batchId })).rejects.toThrow("later");
});

test("without retries every call is made once", async () => {
  const { server, client } = await setup({ retry: false });
  server.failNext(BatchService.method.getBatch, away());

  await expect(client.batches.getBatch({ batchId })).rejects.toThrow("away");
  expect(server.calls).toHaveLength(1);
});

test("the token travels as a bearer token", async () => {
  const { server, client } = await setup({ token: "secret" });
  await client.batches.getBatch({ batchId });
  expect(server.calls[0]?.header.get("authorization")).toBe("Bearer secret");
});

test("a unary call has a deadline, and one that waits gets its wait on top", async () => {
  const { client } = await setup({ defaultTimeoutMs: 100, retry: false });

  const empty = await client.workers.claimTasks({
    workerId: "w",
    kinds: ["none"],
    waitTimeout: durationFromMs(300),
  });
  expect(empty.assignments).toHaveLength(0);

  const cut = client.workers.claimTasks(
    { workerId: "w", kinds: ["none"], waitTimeout: durationFromMs(5_000) },
    { timeoutMs: 50 },
  );
  await expect(cut).rejects.toMatchObject({ code: Code.DeadlineExceeded });
});

test("a server that nobody runs is a transient error", async () => {
  const { server } = await setup();
  const client = createClient({ address: server.url, retry: false });
  await server[Symbol.asyncDispose]();

  const error = await client.batches.getBatch({ batchId }).catch((caught: unknown) => caught);

  expect(isTransient(error)).toBe(true);
});

test("an address that is none is refused at once", () => {
  expect(() => createClient({ address: "ftp://somewhere" })).toThrow('"ftp://somewhere" is no address of a server');
  expect(() => createClient({ address: "not an address" })).toThrow(TypeError);
  expect(createClient({ address: "127.0.0.1:8085/" }).address).toBe("http://127.0.0.1:8085");
});

test("an error tells its reason and the fields that broke a bound", async () => {
  const { server, client } = await setup();
  const details = [
    { desc: ErrorInfoSchema, value: { domain: "millpond", reason: "INVALID_FIELD" } },
    { desc: BadRequestSchema, value: { fieldViolations: [{ field: "tasks[3].kind", description: "too long" }] } },
  ];
  server.failNext(
    TaskService.method.createTasks,
    new ConnectError("invalid", Code.InvalidArgument, undefined, details),
  );

  const error = await client.tasks.createTasks(oneTask()).catch((caught: unknown) => caught);

  expect(errorReason(error)).toBe(ErrorReason.INVALID_FIELD);
  expect(fieldViolations(error)).toEqual([{ field: "tasks[3].kind", description: "too long" }]);
  expect(errorReason(new Error("another"))).toBeUndefined();
  expect(fieldViolations(new Error("another"))).toEqual([]);
});

test("it asks for compressed answers only when it is told to", async () => {
  const asked = async (acceptCompression?: boolean) => {
    const { server, client } = await setup({ acceptCompression });
    await client.batches.getBatch({ batchId });
    return server.calls[0]?.header.get("grpc-accept-encoding");
  };

  expect(await asked()).toBeNull();
  expect(await asked(true)).toBe("gzip,br");
});

test("the answers to reports hold the tasks unless the call is for outcomes only", async () => {
  const { client } = await setup();
  const { tasks } = await client.tasks.createTasks(oneTask());
  const taskId = tasks[0]?.taskId ?? "";
  const { results } = await client.tasks.reportTasks({
    reports: [{ taskId, report: { case: "heartbeat", value: {} } }],
    brief: true,
  });

  expect(results[0]?.result).toMatchObject({ case: "task", value: { taskId } });
});

test("a call for outcomes only answers refusals and requests to stop, without tasks", async () => {
  const { server, client } = await setup();
  const { tasks } = await client.tasks.createTasks(oneTask());
  const taskId = tasks[0]?.taskId ?? "";
  const contextValues = createContextValues().set(answerReader, readOutcomes);
  const report = async () => {
    const reports = [{ taskId, report: { case: "heartbeat" as const, value: {} } }];
    return (await client.tasks.reportTasks({ reports, brief: true }, { contextValues })).results;
  };

  expect(await report()).toMatchObject([{ result: { case: undefined }, cancelRequested: false }]);
  server.engine.cancel(taskId);
  expect(await report()).toMatchObject([
    { result: { case: "error", value: { reason: ErrorReason.TASK_ENDED } }, cancelRequested: true },
  ]);
});

test.each(["grpc", "connect"] as const)(
  "a number that its field cannot hold is refused without asking the server, over %s",
  async (protocol) => {
    const { client } = await setup({ protocol });
    const call = client.tasks.createTasks({ tasks: [{ name: "t", kind: "k", priority: 1.5 }] });
    const error = await call.catch((thrown: unknown) => ConnectError.from(thrown));
    expect(error).toMatchObject({
      code: Code.InvalidArgument,
      rawMessage:
        "the request cannot be sent: cannot encode field millpond.v1.NewTask.priority to binary: invalid int32: 1.5",
    });
  },
);

test.each(["grpc", "connect"] as const)(
  "an answer that a server cannot write is an error of the server, although it is told in the same words, over %s",
  async (protocol) => {
    const { server, client } = await setup({ retry: false, protocol });
    const cannotWrite = new ConnectError("serialize binary: invalid int32: 1.5", Code.Internal);
    server.failNext(TaskService.method.createTasks, cannotWrite, { times: 1 });
    const call = client.tasks.createTasks({ tasks: [{ name: "t", kind: "k" }] });
    expect(await call.catch((error: unknown) => ConnectError.from(error).code)).toBe(Code.Internal);
  },
);
