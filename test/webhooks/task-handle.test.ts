import http from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, it, onTestFinished, test } from "vitest";
import { invalidField, MillpondError } from "../../src/domain/errors.ts";
import { handleToken, handleUrl } from "../../src/webhooks/handle-token.ts";
import { answerTaskHandle, type HandleResult, type TaskHandleDeps } from "../../src/webhooks/task-handle.ts";

const taskId = "0197f3a0-0000-7000-8000-000000000001";
const secret = new Uint8Array(32).fill(7);
const path = handleUrl({ hostUrl: "", taskId, attempt: 2, secret });

interface Report {
  readonly json: unknown;
  readonly taskId: string;
  readonly attempt: number;
}

describe("a report through the handle", () => {
  test.each(["POST", "PATCH"])("by %s is applied, and answered with the task", async (method) => {
    const { send, reports } = await setup();
    const answer = await send(path, { method, body: '{"success":{"output":1}}' });
    expect(answer).toMatchObject({ status: 200, body: { taskId, status: "TASK_STATUS_SUCCESS" } });
    expect(answer.headers.get("content-type")).toBe("application/json");
    expect(answer.headers.get("cache-control")).toBe("no-store");
    expect(reports).toEqual([{ json: { success: { output: 1 } }, taskId, attempt: 2 }]);
  });

  test.each([
    { taskId, attempt: 2 },
    { task_id: taskId, attempt: "2" },
    { taskId: "", attempt: 0 },
    { taskId: null, attempt: null },
  ])("may repeat the handle's task and attempt: %j", async (fields) => {
    const { send, reports } = await setup();
    expect(await send(path, { body: JSON.stringify({ ...fields, heartbeat: {} }) })).toMatchObject({ status: 200 });
    expect(reports).toEqual([{ json: { heartbeat: {} }, taskId, attempt: 2 }]);
  });

  test.each([
    { taskId: "0197f3a0-0000-7000-8000-000000000002" },
    { task_id: 5 },
    { taskId, task_id: "x" },
    { attempt: 1 },
    { attempt: "02" },
    { attempt: [] },
    { attempt: 2.5 },
  ])("may not name another task or attempt: %j", async (fields) => {
    const { send, reports } = await setup();
    const answer = await send(path, { body: JSON.stringify({ ...fields, success: {} }) });
    expect(answer).toMatchObject({ status: 400, body: { code: "invalid_argument" } });
    expect(answer.body.message).toMatch(/leave it out/);
    expect(reports).toEqual([]);
  });

  test.each([
    ["", /not valid JSON/],
    ["{", /not valid JSON/],
    ["success", /not valid JSON/],
    ["[]", /must be a JSON object/],
    ["null", /must be a JSON object/],
    ['"x"', /must be a JSON object/],
    [Buffer.from([0x7b, 0xff, 0x7d]), /not UTF-8/],
    [`{"success":{"output":${"[".repeat(1000)}${"]".repeat(1000)}}}`, /100 levels/],
    ['{"succes":{}}', /unknown field/],
  ])("that is none is refused: %j", async (body, message) => {
    const { send, reports } = await setup();
    const answer = await send(path, { body });
    expect(answer).toMatchObject({
      status: 400,
      body: { code: "invalid_argument", details: [{ reason: "INVALID_FIELD" }] },
    });
    expect(answer.body.message).toMatch(message);
    expect(reports).toEqual([]);
  });

  test.each([
    [new MillpondError("TASK_ENDED", "ended"), 409],
    [new MillpondError("ILLEGAL_TRANSITION", "illegal"), 409],
    [new MillpondError("STALE_ATTEMPT", "stale"), 410],
    [new MillpondError("STORE_UNAVAILABLE", "away", { retryDelayMs: 1200 }), 503],
    [invalidField("success.output", "too large"), 400],
  ])("that the engine refuses with %s is answered with %i", async (error, status) => {
    for (const report of [async () => ({ ok: false, error }) as const, () => Promise.reject(error)]) {
      const { send } = await setup({ report });
      const answer = await send(path, { body: '{"success":{}}' });
      expect(answer).toMatchObject({ status, body: { message: error.message, details: [{ reason: error.reason }] } });
      expect(answer.headers.get("retry-after")).toBe(error.retryDelayMs === undefined ? null : "2");
    }
  });

  it("that meets a defect is answered with 500 and nothing of the defect", async () => {
    const errors: unknown[] = [];
    const defect = new TypeError("secret detail");
    const { send } = await setup({ report: () => Promise.reject(defect), onError: (error) => errors.push(error) });
    const answer = await send(path, { body: '{"success":{}}' });
    expect(answer).toMatchObject({ status: 500, body: { code: "internal", message: "internal error" } });
    expect(errors).toEqual([defect]);
  });
});

describe("a wrong handle", () => {
  it("gets the answer of an unknown task, whatever is wrong with it", async () => {
    const { send, reports } = await setup();
    const unknown = await (await setup({ report: async () => gone })).send(path, { body: '{"success":{}}' });
    expect(unknown.status).toBe(404);
    const token = handleToken({ taskId, attempt: 2, secret });
    for (const wrong of [
      `/task/${taskId}?attempt=1&token=${token}`,
      `/task/${taskId}?attempt=2&token=${token.slice(1)}`,
      `/task/${taskId}?attempt=2&token=`,
      `/task/${taskId}?attempt=2`,
      `/task/${taskId}?token=${token}`,
      `/task/${taskId}`,
      `/task/${taskId}?attempt=2&attempt=2&token=${token}`,
      `/task/${taskId}?attempt=2&token=${token}&token=x`,
      `/task/${taskId}?attempt=02&token=${token}`,
      `/task/${taskId}?attempt=-2&token=${token}`,
      `/task/${taskId.replace(/1$/, "2")}?attempt=2&token=${token}`,
      `/task/${taskId.toUpperCase()}?attempt=2&token=${token}`,
      `/task/${taskId}/?attempt=2&token=${token}`,
      `/task/x?attempt=2&token=${token}`,
      `/task/?attempt=2&token=${token}`,
      "//",
    ]) {
      const answer = await send(wrong, { body: '{"success":{}}' });
      expect([wrong, answer.status, answer.body]).toEqual([wrong, 404, unknown.body]);
    }
    expect(reports).toEqual([]);
  });

  it("may have other parameters beside its own", async () => {
    const { send } = await setup();
    expect(await send(`${path}&utm=1`, { body: '{"success":{}}' })).toMatchObject({ status: 200 });
  });
});

describe("the body's bounds", () => {
  it("413 for one byte too many, with and without a length, and 200 for exactly the bound", async () => {
    const { send } = await setup({ bodyBytesMax: 100_000 });
    const body = (bytes: number): string => `{"success":{"output":"${"x".repeat(bytes - 25)}"}}`;
    expect(await send(path, { body: body(100_000) })).toMatchObject({ status: 200 });
    const tooLarge = { status: 413, body: { details: [{ reason: "LIMIT_EXCEEDED", limit: "100000" }] } };
    expect(await send(path, { body: body(100_001) })).toMatchObject(tooLarge);
    const stream = new Blob([body(150_000)]).stream();
    expect(await send(path, { body: stream, duplex: "half" } as RequestInit)).toMatchObject(tooLarge);
  });

  it("413 without reading to the end of a body that has none", async () => {
    const { deps } = await setup({ bodyBytesMax: 1000 });
    let sent = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (;;) {
        sent += 100;
        yield Buffer.alloc(100);
      }
    }
    const request = { url: path, headers: {}, body: endless() };
    expect(await answerTaskHandle(request, deps)).toMatchObject({ status: 413, headers: { connection: "close" } });
    expect(sent).toBe(2100);
  });

  it("holds for a body that is there as a whole", async () => {
    const { deps } = await setup({ bodyBytesMax: 20 });
    const request = { url: path, headers: {}, body: Buffer.from('{"success":{}}') };
    expect(await answerTaskHandle(request, deps)).toMatchObject({ status: 200 });
    expect(await answerTaskHandle({ ...request, body: Buffer.alloc(21) }, deps)).toMatchObject({ status: 413 });
  });

  it("408 for a body that does not arrive in time, and the connection is closed", async () => {
    const { port } = await setup({ bodyTimeoutMs: 100 });
    const text = await raw(port, `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"succ`);
    expect(text).toMatch(/^HTTP\/1\.1 408 /);
    expect(text).toMatch(/did not arrive within 0\.1 s/);
  });

  it("400 for a body that breaks off", async () => {
    const { deps, reports } = await setup();
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('{"success":');
      throw new Error("aborted");
    }
    const answer = await answerTaskHandle({ url: path, headers: {}, body: broken() }, deps);
    expect(answer.status).toBe(400);
    expect(answer.body).toMatch(/broke off/);
    expect(reports).toEqual([]);
  });

  it("415 for a compressed body", async () => {
    const { send } = await setup();
    const answer = await send(path, { body: "x", headers: { "content-encoding": "gzip" } });
    expect(answer).toMatchObject({ status: 415, body: { message: expect.stringContaining("gzip") } });
  });
});

const gone: HandleResult = { ok: false, error: new MillpondError("TASK_NOT_FOUND", `task ${taskId} not found`) };

const connectStatuses: Partial<Record<string, [number, string]>> = {
  TASK_NOT_FOUND: [404, "not_found"],
  STORE_UNAVAILABLE: [503, "unavailable"],
  LIMIT_EXCEEDED: [429, "resource_exhausted"],
  INVALID_FIELD: [400, "invalid_argument"],
};

async function setup(overrides: Partial<TaskHandleDeps<Report>> = {}) {
  const reports: Report[] = [];
  const deps: TaskHandleDeps<Report> = {
    secret,
    decodeReport: (json, id, attempt) => {
      const unknown = Object.keys(json as object).find((key) => !["success", "failure", "heartbeat"].includes(key));
      if (unknown !== undefined) throw invalidField(unknown, "unknown field");
      return { json, taskId: id, attempt };
    },
    report: async (report) => {
      reports.push(report);
      return { ok: true, task: { taskId, status: "TASK_STATUS_SUCCESS" } };
    },
    encodeError: (error) => {
      const [status, code] = connectStatuses[error.reason] ?? [400, "failed_precondition"];
      return { status, body: { code, message: error.message, details: [{ reason: error.reason, ...error.metadata }] } };
    },
    onError: (error) => expect.fail(String(error)),
    ...overrides,
  };
  const server = http.createServer(async (req, res) => {
    const { url = "", headers } = req;
    const answer = await answerTaskHandle({ url, headers, body: req }, deps);
    res.writeHead(answer.status, answer.headers).end(answer.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  const send = async (url: string, init: RequestInit) => {
    const response = await fetch(`http://127.0.0.1:${port}${url}`, { method: "POST", ...init });
    const body = (await response.json()) as { message?: string };
    return { status: response.status, headers: response.headers, body };
  };
  return { send, reports, deps, port };
}

/** Sends bytes over a bare connection and gives what came back when the server closed it. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, "127.0.0.1", () => socket.write(text));
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("end", () => resolve(Buffer.concat(chunks).toString()));
    socket.on("error", reject);
  });
}
