import type { JsonValue } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  createGraph,
  NonRetryable,
  type ReportTasksRequest,
  TaskError,
  type TaskReport,
  TaskService,
  TaskStatus,
  type WorkerOptions,
  WorkerService,
} from "@millpond/sdk";
import { expect, onTestFinished, test, vi } from "vitest";
import { startWorker, waitFor } from "./support/start-worker.ts";

async function setup(workerOptions: Partial<WorkerOptions> = {}) {
  const { server, client, worker, countCalls } = await startWorker(workerOptions);
  const reports = (): TaskReport[] =>
    server.calls
      .filter(({ method }) => method === "ReportTasks")
      .flatMap(({ message }) => (message as ReportTasksRequest).reports);
  const submit = async () => {
    const graph = createGraph();
    graph.task("a", { kind: "work" });
    await client.tasks.createTasks(graph.toRequest());
  };
  return { server, engine: server.engine, worker, submit, countCalls, reports };
}

/** The failure that the worker reports for what a handler throws. */
async function failureFor(thrown: unknown) {
  const { worker, engine, submit, reports } = await setup();
  worker.handle("work", () => {
    throw thrown;
  });
  worker.start();
  await submit();
  await waitFor(() => expect(engine.statusOf("a")).toBe(TaskStatus.FAILURE));
  const report = reports()[0]?.report;
  if (report?.case !== "failure") throw new Error(`the report is a ${report?.case}`);
  return report.value;
}

const withMessage = (message: unknown) => Object.defineProperty(new Error("text"), "message", { value: message });
const hostile = new Proxy(new Error("hidden"), {
  getPrototypeOf() {
    throw new Error("no prototype for you");
  },
});

test("details are reported as JSON.stringify makes them", async () => {
  const details = { sample: 7, nothing: undefined, at: new Date(0) } as unknown as JsonValue;
  const failure = await failureFor(new TaskError("broken", { code: "BROKEN", details }));

  expect(failure).toMatchObject({ message: "broken", code: "BROKEN" });
  const fields = failure.details?.kind.case === "structValue" ? failure.details.kind.value.fields : {};
  expect(Object.entries(fields).map(([name, { kind }]) => [name, kind.value])).toEqual([
    ["sample", 7],
    ["at", "1970-01-01T00:00:00.000Z"],
  ]);
});

test("details that are no JSON leave the rest of the failure as it is", async () => {
  const details = { size: 1n } as unknown as JsonValue;
  const failure = await failureFor(new NonRetryable("broken", { code: "BROKEN", details }));

  expect(failure).toMatchObject({ message: "broken", code: "BROKEN", nonRetryable: true });
  expect(failure.details?.kind.value).toContain("the details are no JSON");
});

test.each([
  ["an error with a number for a message", withMessage(404), { message: "404", code: "" }],
  ["an error with an object for a message", withMessage(Object.create(null)), { message: "it has no text" }],
  ["an object without a prototype", Object.create(null), { message: "it has no text" }],
  ["a symbol", Symbol("odd"), { message: "Symbol(odd)" }],
  ["a delay that is no number", new TaskError("soon", { retryDelayMs: Number.NaN }), { message: "soon" }],
  [
    "an error that cannot be looked at",
    hostile,
    { message: expect.stringContaining("cannot be reported"), code: "ERROR_NOT_REPORTABLE" },
  ],
])("%s fails the task like any other error", async (_, thrown, expected) => {
  expect(await failureFor(thrown)).toMatchObject(expected);
});

test("a failure whose details the server refuses is reported once more without them", async () => {
  const { worker, engine, submit, reports } = await setup();
  engine.refuses = ({ report }) => report.case === "failure" && report.value.details !== undefined;
  worker.handle("work", () => {
    throw new NonRetryable("broken", { code: "BROKEN", details: "large", retryDelayMs: 1_500 });
  });
  worker.start();
  await submit();

  await waitFor(() => expect(engine.statusOf("a")).toBe(TaskStatus.FAILURE));
  expect(reports()).toHaveLength(2);
  const last = reports()[1]?.report;
  expect(last).toMatchObject({ value: { message: "broken", code: "BROKEN", nonRetryable: true } });
  expect(last?.case === "failure" && last.value.retryDelay && durationMs(last.value.retryDelay)).toBe(1_500);
});

test("a failure that is refused without details, too, is not reported a third time", async () => {
  const errors: unknown[] = [];
  const { worker, engine, submit, reports } = await setup({ onError: (error) => errors.push(error) });
  engine.refuses = () => true;
  worker.handle("work", () => {
    throw new TaskError("broken", { details: "large" });
  });
  worker.start();
  await submit();

  await waitFor(() => expect(errors).toHaveLength(2));
  await waitFor(() => expect(worker.running).toBe(0));
  expect(reports()).toHaveLength(2);
});

test.each([Code.Unauthenticated, Code.Internal])(
  "a worker whose report fails with code %s makes no failure of a success",
  async (code) => {
    const errors: unknown[] = [];
    const { worker, submit, server, reports } = await setup({ onError: (error) => errors.push(error) });
    server.failNext(TaskService.method.reportTasks, new ConnectError("not now", code));
    worker.handle("work", () => "done");
    worker.start();
    await submit();

    await waitFor(() => expect(errors).toHaveLength(1));
    await waitFor(() => expect(worker.running).toBe(0));
    expect(reports().map(({ report }) => report.case)).toEqual(["success"]);
  },
);

test.each([
  [
    "throws",
    () => {
      throw new Error("from onError");
    },
  ],
  ["rejects", () => Promise.reject(new Error("from onError"))],
])("leases are still extended after an onError that %s", async (_, onError) => {
  const warnings = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  onTestFinished(() => warnings.mockRestore());
  const { worker, engine, submit, server, countCalls } = await setup({ leaseMs: 2_400, onError });
  server.failNext(WorkerService.method.extendLeases, new ConnectError("odd", Code.Internal));
  const { promise, resolve } = Promise.withResolvers<void>();
  worker.handle("work", () => promise);
  worker.start();
  await submit();

  await waitFor(() => expect(countCalls("ExtendLeases")).toBeGreaterThanOrEqual(3));
  resolve();
  await waitFor(() => expect(engine.statusOf("a")).toBe(TaskStatus.SUCCESS));
  expect(warnings).toHaveBeenCalledWith(expect.stringContaining("from onError"), "MillpondWarning");
});

test("a server that answers claims at once without a task is not asked again at once", async () => {
  const { worker, engine, countCalls } = await setup();
  engine.claimWaitMaxMs = 0;
  worker.handle("work", () => 1);
  const startMs = performance.now();
  worker.start();

  await waitFor(() => expect(countCalls("ClaimTasks")).toBeGreaterThanOrEqual(3));
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(700);
  await worker.stop();
});
