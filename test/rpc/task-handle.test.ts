import http from "node:http";
import { gzipSync } from "node:zlib";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ErrorReason, type TaskReportSchema, TaskStatus } from "@millpond/sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Answer, startReceiver } from "../webhooks/receiver.ts";
import { type ConnectErrorJson, detailsOf, errorOf } from "./server-harness.ts";
import { eventually, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();
const methods = ["POST", "PATCH"] as const;

interface HttpAnswer {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly text: string;
  readonly json: ConnectErrorJson & Record<string, unknown>;
}

/** Sends any method with a body, which fetch does not. */
function send(
  url: string,
  body: string | Buffer = '{"heartbeat":{}}',
  { method = "POST", headers = {} }: { method?: string; headers?: Record<string, string> } = {},
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method, headers: { "content-length": Buffer.byteLength(body), ...headers } });
    request.on("error", reject).on("response", (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject).on("end", () => {
        const text = Buffer.concat(chunks).toString();
        const { statusCode: status = 0 } = response;
        resolve({ status, headers: response.headers, text, json: text === "" ? {} : JSON.parse(text) });
      });
    });
    request.end(body);
  });
}

/** The ErrorInfo of an answer. */
function infoOf({ json }: HttpAnswer): { reason: string; metadata: Record<string, string> } {
  const details = json.details?.map(({ debug }) => debug as { reason?: string; metadata?: Record<string, string> });
  const info = details?.find((detail) => detail?.reason !== undefined);
  return { reason: info?.reason ?? "", metadata: info?.metadata ?? {} };
}

/** A task that was started by a webhook, and the handles of its attempts; `answer` says what to each. */
async function started(answer: Answer = (response) => response.writeHead(202).end()) {
  const target = await startReceiver(answer);
  onTestFinished(() => target[Symbol.asyncDispose]());
  const { ids } = await server.graph([
    {
      ...{ key: "p", name: "p", kind: newKind(), execution: { case: "onStart", value: { url: target.url } } },
      retry: { maxAttempts: 3, initialBackoff: durationFromMs(10), jitter: 0 },
    },
  ]);
  const taskId = ids.p ?? "";
  await eventually(async () => (await server.task(taskId)).status === TaskStatus.RUNNING, "the task to run");
  return { taskId, handles: target.calls.map(({ url }) => url.searchParams.get("handle") ?? "") };
}

/** The same refusal by ReportTasks. */
async function refusalByRpc(report: MessageInitShape<typeof TaskReportSchema>) {
  const [{ result } = { result: undefined }] = (await server.client.tasks.reportTasks({ reports: [report] })).results;
  if (result?.case !== "error") throw new Error("the report was taken");
  const { reason, message, metadata } = result.value;
  return { info: { reason: ErrorReason[reason], metadata: { ...metadata } }, message };
}

const success = { case: "success", value: {} } as const;

describe.each(methods)("%s of a report that is refused says why as ReportTasks does", (method) => {
  test("409 where the task has ended, by a report or by cancellation", async () => {
    for (const end of ["success", "cancel"] as const) {
      const { taskId, handles } = await started();
      const [handle = ""] = handles;
      if (end === "cancel") await server.client.tasks.cancelTasks({ taskIds: [taskId] });
      else expect((await send(handle, '{"success":{}}', { method })).status).toBe(200);
      const refused = await send(handle, '{"failure":{}}', { method });
      const byRpc = await refusalByRpc({ taskId, attempt: 1, report: { case: "failure", value: {} } });
      expect([refused.status, refused.json.code]).toEqual([409, "failed_precondition"]);
      expect({ info: infoOf(refused), message: refused.json.message }).toEqual(byRpc);
      expect(byRpc.info.reason).toBe("TASK_ENDED");
    }
  });

  test("410 where the attempt is over: between two attempts, during the next one, and after it", async () => {
    const answers = [500, 202];
    const { taskId, handles } = await started((response) => response.writeHead(answers.shift() ?? 202).end());
    const [first = "", second = ""] = handles;
    const stale = async (): Promise<void> => {
      const refused = await send(first, '{"success":{}}', { method });
      const byRpc = await refusalByRpc({ taskId, attempt: 1, report: success });
      expect([refused.status, refused.json.code]).toEqual([410, "failed_precondition"]);
      expect({ info: infoOf(refused), message: refused.json.message }).toEqual(byRpc);
      expect(byRpc.info.reason).toBe("STALE_ATTEMPT");
    };
    await stale();
    const delayed = '{"failure":{"retryDelay":"3600s"}}';
    expect(await send(second, delayed, { method })).toMatchObject({
      status: 200,
      json: { status: "TASK_STATUS_PENDING" },
    });
    await stale();
    expect(await send(second, '{"success":{}}', { method })).toMatchObject({ status: 410 });
    await server.client.tasks.cancelTasks({ taskIds: [taskId] });
    await stale();
  });

  test("404 for the token of another attempt, of another task, or of none, all alike, and nothing happens", async () => {
    const answers = [500, 202];
    const { taskId, handles } = await started((response) => response.writeHead(answers.shift() ?? 202).end());
    const other = await started();
    const [first = "", second = ""] = handles;
    const tokenOf = (handle = ""): string => new URL(handle).searchParams.get("token") ?? "";
    const withToken = (handle: string, token: string): string => handle.replace(tokenOf(handle), token);
    const token = tokenOf(second);
    const wrong = [
      withToken(first, token),
      withToken(second, tokenOf(first)),
      withToken(second, tokenOf(other.handles[0])),
      withToken(second, token.slice(0, -1)),
      withToken(second, `${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`),
      withToken(second, ""),
      second.replace("attempt=2", "attempt=3"),
      second.replace(taskId, "01900000-0000-7000-8000-000000000000"),
    ];
    const refusals = await Promise.all(wrong.map((url) => send(url, '{"success":{}}', { method })));
    expect(refusals.map(({ status }) => status)).toEqual(wrong.map(() => 404));
    expect(new Set(refusals.map(({ text }) => text)).size).toBe(1);
    const unknown = { taskId: "01900000-0000-7000-8000-000000000000", report: success };
    expect((await refusalByRpc(unknown)).info.reason).toBe("TASK_NOT_FOUND");
    expect(infoOf(refusals[0] as HttpAnswer)).toEqual({ reason: "TASK_NOT_FOUND", metadata: {} });
    expect(await server.task(taskId)).toMatchObject({ status: TaskStatus.RUNNING, attempt: 2 });
  });

  test("400 for what is no report, with the same field", async () => {
    const { taskId, handles } = await started();
    const bad = await send(handles[0] ?? "", '{"heartbeat":{},"addSuccessCount":-1}', { method });
    const byRpc = await errorOf(
      server.client.tasks.reportTasks({
        reports: [{ taskId, attempt: 1, report: { case: "heartbeat", value: {} }, addSuccessCount: -1n }],
      }),
    );
    expect([bad.status, infoOf(bad).reason]).toEqual([400, "INVALID_FIELD"]);
    expect(detailsOf(byRpc)).toMatchObject({ reason: "INVALID_FIELD", fields: ["reports[0].add_success_count"] });
    expect(bad.text).toContain("add_success_count");
  });

  test("413 for a body above 4 MiB, 415 for one that is packed", async () => {
    const { taskId, handles } = await started();
    const [handle = ""] = handles;
    const large = await send(handle, `{"success":{"output":"${"x".repeat(4 * 1024 * 1024)}"}}`, { method });
    expect([large.status, infoOf(large)]).toEqual([413, { reason: "LIMIT_EXCEEDED", metadata: { limit: "4194304" } }]);
    for (const encoding of ["gzip", "br", "deflate"]) {
      const headers = { "content-encoding": encoding };
      const packed = await send(handle, gzipSync('{"success":{}}'), { method, headers });
      expect([packed.status, infoOf(packed).reason]).toEqual([415, "INVALID_FIELD"]);
    }
    expect(await server.status(taskId)).toBe("RUNNING");
  });
});

test.each(["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])(
  "%s is 405, and says which methods are allowed",
  async (method) => {
    const { taskId, handles } = await started();
    const refused = await send(handles[0] ?? "", method === "TRACE" ? "" : '{"success":{}}', { method });
    expect([refused.status, refused.headers.allow]).toEqual([405, "POST, PATCH"]);
    expect(refused.text.length > 0).toBe(method !== "HEAD");
    if (method !== "HEAD") expect(infoOf(refused).reason).toBe("UNIMPLEMENTED");
    expect(await server.status(taskId)).toBe("RUNNING");
  },
);
