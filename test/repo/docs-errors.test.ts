import { readFileSync } from "node:fs";
import path from "node:path";
import { Code } from "@connectrpc/connect";
import { codeToHttpStatus } from "@connectrpc/connect/protocol-connect";
import { describe, expect, it } from "vitest";
import { type ErrorReason, MillpondError } from "../../src/domain/errors.ts";
import { toConnectError } from "../../src/rpc/errors.ts";
import { type Setup, setup } from "../support/setup.ts";

const root = path.resolve(import.meta.dirname, "../..");
const contract = readFileSync(path.join(root, "proto/millpond/v1/error_reason.proto"), "utf8");
const document = readFileSync(path.join(root, "docs/errors.md"), "utf8");

/** The reasons of the contract with the code that the comment of each begins with. */
const reasons = [
  ...contract.matchAll(/ {2}\/\/ ([A-Z_]+): [^\n]*\n(?: {2}\/\/[^\n]*\n)* {2}ERROR_REASON_([A-Z_]+) = \d+;/g),
].map(([, code = "", reason = ""]) => ({ code, reason: reason as ErrorReason }));
const sections = new Map(
  document
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf("\n")), section]),
);

it("has a section for every reason of the contract and for nothing else", () => {
  const count = [...contract.matchAll(/ERROR_REASON_[A-Z_]+ = [1-9]/g)].length;
  expect(reasons).toHaveLength(count);
  expect([...sections.keys()].filter((name) => name !== "")).toHaveLength(count);
  expect([...sections.keys()].toSorted()).toEqual(reasons.map(({ reason }) => reason).toSorted());
});

describe.each(reasons)("$reason", ({ reason, code }) => {
  const section = sections.get(reason) ?? "";
  const wire = toConnectError(new MillpondError(reason, ""))?.code as Code;

  it("has the code and the HTTP status with which the server answers it", () => {
    expect(Code[wire].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase()).toBe(code);
    expect(section).toContain(`\nCode \`${code}\`, HTTP ${codeToHttpStatus(wire)}`);
  });

  it("has an example that is JSON and shows it", () => {
    const json = exampleOf(reason);
    if (json.results === undefined) {
      expect(json.code).toBe(code.toLowerCase());
      expect(json.details[0].debug).toMatchObject({ reason, domain: "millpond" });
    } else {
      expect(json.results[0].error.reason).toBe(`ERROR_REASON_${reason}`);
    }
  });

  it("says what to do", () => {
    expect(section).toContain("- What to do: ");
  });
});

const aTask = { key: "a", name: "a", kind: "k" };
const unknownId = "01a1fca6-4540-725d-8983-daea33001019";
/** Requests that fail like the examples. */
const failing: readonly { reason: ErrorReason; method: string; request: object }[] = [
  { reason: "INVALID_FIELD", method: "TaskService/CreateTasks", request: { tasks: [{ key: "a", kind: "k" }] } },
  {
    reason: "GRAPH_HAS_CYCLE",
    method: "TaskService/CreateTasks",
    request: { tasks: [dependent("a", "b"), dependent("b", "a")] },
  },
  { reason: "UNKNOWN_DEPENDENCY", method: "TaskService/CreateTasks", request: { tasks: [dependent("a", "z")] } },
  { reason: "DUPLICATE_KEY", method: "TaskService/CreateTasks", request: { tasks: [aTask, aTask] } },
  { reason: "PAGE_TOKEN_MISMATCH", method: "TaskService/ListTasks", request: { page_token: "abc" } },
  { reason: "TASK_NOT_FOUND", method: "TaskService/GetTask", request: { task_id: unknownId } },
  { reason: "BATCH_NOT_FOUND", method: "BatchService/GetBatch", request: { batch_id: unknownId } },
  {
    reason: "URL_FORBIDDEN",
    method: "TaskService/CreateTasks",
    request: { tasks: [{ ...aTask, on_start: { url: "http://10.0.0.1/" } }] },
  },
  {
    reason: "UNIMPLEMENTED",
    method: "WorkerService/NoSuchRpc",
    request: {},
  },
  {
    reason: "REQUEST_ID_REUSED",
    method: "TaskService/CreateTasks",
    request: { request_id: "r1", tasks: [dependent("b")] },
  },
];

it("shows examples that a server answers word for word", async () => {
  await using millpond = await setup();
  await call(millpond, "TaskService/CreateTasks", { request_id: "r1", tasks: [aTask] });
  for (const { reason, method, request } of failing) {
    expect(await call(millpond, method, request)).toEqual(exampleOf(reason));
  }
});

it("shows what a browser is answered that asks for a page", async () => {
  await using millpond = await setup();
  const headers = { origin: "https://app.example.com", "access-control-request-method": "POST" };
  const init = { method: "OPTIONS", headers };
  expect(await answerOf(fetch(`${millpond.url}/millpond.v1.TaskService/ListTasks`, init))).toEqual(
    exampleOf("PERMISSION_DENIED"),
  );
});

it("shows examples of what tasks and batches refuse, word for word but for ids and etags", async () => {
  await using millpond = await setup();
  const { tasks, batch } = await call(millpond, "TaskService/CreateTasks", { tasks: [aTask] });
  const [task_id, batch_id] = [tasks?.[0]?.taskId ?? "", batch?.batchId ?? ""];
  const report = (attempt: number) =>
    call(millpond, "TaskService/ReportTasks", { reports: [{ task_id, attempt, success: {} }] });

  const sealed = await call(millpond, "TaskService/CreateTasks", { batch_id, tasks: [aTask] });
  expect(sealed).toEqual(exampleOf("BATCH_SEALED"));
  const update = { task: { task_id, etag: "2-0-0-0-812", priority: 1 }, update_mask: "priority" };
  const mismatch = await call(millpond, "TaskService/UpdateTask", update);
  const etag = mismatch.details?.[0]?.debug.metadata?.etag ?? "";
  expect(etag).toMatch(/^2-0-0-0-\d+$/);
  const shown = exampleOf("ETAG_MISMATCH").details[0].debug.metadata.etag;
  expect(JSON.parse(JSON.stringify(mismatch).replaceAll(etag, shown))).toEqual(exampleOf("ETAG_MISMATCH"));

  expect(await report(0)).toEqual(exampleOf("ILLEGAL_TRANSITION"));
  // Its first attempt is over, and the second one half an hour away.
  const retry = { max_attempts: 2, initial_backoff: "1800s", max_backoff: "1800s" };
  const target = { new_batch: {}, tasks: [{ ...aTask, kind: "lost", retry }] };
  const lostId = (await call(millpond, "TaskService/CreateTasks", target)).tasks?.[0]?.taskId ?? "";
  await call(millpond, "WorkerService/ClaimTasks", { worker_id: "w", kinds: ["lost"] });
  await call(millpond, "TaskService/ReportTasks", { reports: [{ task_id: lostId, failure: { message: "no" } }] });
  const leases = [{ task_id: lostId, attempt: 1 }];
  const lost = await call(millpond, "WorkerService/ExtendLeases", { worker_id: "w", leases });
  const shownId = exampleOf("LEASE_LOST").results[0].lease.taskId;
  expect(JSON.parse(JSON.stringify(lost).replaceAll(lostId, shownId))).toEqual(exampleOf("LEASE_LOST"));

  await expectExpired(millpond, lostId);

  await call(millpond, "WorkerService/ClaimTasks", { worker_id: "w", kinds: ["k"] });
  await report(1);
  expect(await report(1)).toEqual(exampleOf("TASK_ENDED"));
  expect(await report(7)).toEqual(exampleOf("STALE_ATTEMPT"));
});

/** Asks for lines behind a place in a log that is not there any more, as the mark of the task and the time of its beginning tell. */
async function expectExpired(millpond: Setup, taskId: string): Promise<void> {
  const { nextCursor = "" } = await call(millpond, "WorkerService/ListLogs", { task_id: taskId });
  const cursor = nextCursor.replace(/-0-1-0-0$/, "-1700000000000000-1-7-0");
  const expired = await call(millpond, "WorkerService/ListLogs", { task_id: taskId, cursor });
  const shown = exampleOf("CURSOR_EXPIRED").details[0].debug.metadata.oldest_cursor;
  expect(JSON.parse(JSON.stringify(expired).replaceAll(nextCursor, shown))).toEqual(exampleOf("CURSOR_EXPIRED"));
}

/** What of the answers is looked into. */
interface Answer {
  readonly tasks?: readonly { readonly taskId: string }[];
  readonly batch?: { readonly batchId: string };
  readonly nextCursor?: string;
  readonly details?: { value?: string; readonly debug: { readonly metadata?: Record<string, string> } }[];
}

/** Calls an RPC with JSON; answers what it says, without the details in base64. */
async function call({ url }: Setup, method: string, request: object): Promise<Answer> {
  const headers = { "content-type": "application/json" };
  const init = { method: "POST", headers, body: JSON.stringify(request) };
  return answerOf(fetch(`${url}/millpond.v1.${method}`, init));
}

async function answerOf(response: Promise<Response>): Promise<Answer> {
  const answer = (await (await response).json()) as Answer;
  for (const detail of answer.details ?? []) delete detail.value;
  return answer;
}

function dependent(key: string, parent?: string): object {
  return { ...aTask, key, dependencies: parent === undefined ? [] : [{ key: parent }] };
}

function exampleOf(reason: ErrorReason) {
  return JSON.parse(/```json\n([\s\S]*?)```/.exec(sections.get(reason) ?? "")?.[1] ?? "");
}
