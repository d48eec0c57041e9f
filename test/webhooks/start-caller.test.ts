import { type AddressInfo, createServer } from "node:net";
import { describe, expect, it, onTestFinished, test } from "vitest";
import type { StartCall, StartOutcome } from "../../src/webhooks/start-call.ts";
import { createStartCaller, type StartCaller, type StartCallerOptions } from "../../src/webhooks/start-caller.ts";
import { createUrlGuard } from "../../src/webhooks/url-guard.ts";
import { createWebhookClient, type WebhookClientOptions } from "../../src/webhooks/webhook-client.ts";
import type { Webhook } from "../../src/webhooks/webhook-request.ts";
import { type ReceivedCall, type Receiver, startReceiver } from "./receiver.ts";

const taskId = "0197f3a0-0000-7000-8000-000000000001";
const handle = `http://127.0.0.1:8085/task/${taskId}?attempt=3&token=a-b_c`;
const never = new AbortController().signal;

describe("the request", () => {
  it("carries the default body, the handle in the query and Millpond's headers", async () => {
    const { call, receiver } = await setup((res) => res.end());
    expect(await call({})).toEqual({ kind: "started" });
    const [received] = receiver.calls as [ReceivedCall];
    expect(received.method).toBe("POST");
    expect(received.url.pathname).toBe("/start");
    expect(received.url.search).toBe(`?handle=${encodeURIComponent(handle)}`);
    expect(received.url.searchParams.get("handle")).toBe(handle);
    expect(received.body).toBe('{"attempt":3}');
    expect(received.headers).toMatchObject({
      "idempotency-key": `${taskId}:3:start`,
      "x-task-id": taskId,
      "x-task-trigger": "start",
      "x-task-attempt": "3",
      "content-type": "application/json",
      "user-agent": "millpond",
    });
    expect(received.headers.traceparent).toMatch(new RegExp(`^00-${taskId.replaceAll("-", "")}-[0-9a-f]{16}-01$`));
    expect(received.headers).not.toHaveProperty("tracestate");
  });

  it("keeps the user's method, headers, body and query", async () => {
    const { call, receiver } = await setup((res) => res.end());
    const headers = { "Content-Type": "text/json", "X-Own": "grüße", "User-Agent": "mine", Authorization: "Bearer t" };
    const url = `${receiver.url}/a%2Fb?x=1&y=%26+z#fragment`;
    await call({ url, method: "PUT", headers, body: { a: ["ü", null] } });
    const [received] = receiver.calls as [ReceivedCall];
    expect(received.method).toBe("PUT");
    expect(received.url.pathname).toBe("/start/a%2Fb");
    expect(received.url.search).toBe(`?x=1&y=%26+z&handle=${encodeURIComponent(handle)}`);
    expect(received.headers).toMatchObject({
      "content-type": "text/json",
      "user-agent": "mine",
      authorization: "Bearer t",
    });
    expect(received.headers["x-own"]).toBe("grüße");
    expect(JSON.parse(received.body)).toEqual({ a: ["ü", null] });
  });

  test.each([
    ["GET", undefined, ""],
    ["DELETE", undefined, ""],
    ["DELETE", { a: 1 }, '{"a":1}'],
    ["PATCH", undefined, '{"attempt":3}'],
    ["POST", null, "null"],
  ] as const)("%s with body %j sends %j", async (method, body, sent) => {
    const { call, receiver } = await setup((res) => res.end());
    expect(await call({ method, body })).toEqual({ kind: "started" });
    expect(receiver.calls[0]).toMatchObject({ method, body: sent });
    expect(receiver.calls[0]?.headers["content-type"]).toBe(sent === "" ? undefined : "application/json");
  });

  it("goes over a connection that is kept alive", async () => {
    const { call, receiver } = await setup((res) => res.end("{}"));
    for (let count = 0; count < 10; count++) await call({});
    // A second one may be opened: a connection is free again a moment after its answer is complete.
    expect(Math.max(...receiver.calls.map((each) => each.connection))).toBeLessThanOrEqual(2);
  });
});

describe("answers", () => {
  test.each<[number, string, StartOutcome]>([
    [200, "", { kind: "started" }],
    [202, "accepted", { kind: "started" }],
    [204, "", { kind: "started" }],
    [200, "{bad json", { kind: "started" }],
    [200, "[1]", { kind: "started" }],
    [200, "null", { kind: "started" }],
    [
      200,
      '{"cancel":{"url":"http://127.0.0.1/stop","method":"HTTP_METHOD_PUT","headers":{"a":"b"},"body":null}}',
      {
        kind: "started",
        cancelWebhook: { url: "http://127.0.0.1/stop", method: "PUT", headers: { a: "b" }, body: null },
      },
    ],
    [200, '{"cancel":"http://127.0.0.1/stop"}', { kind: "started" }],
    [200, '{"cancel":{"url":"http://127.0.0.1/stop","method":"HEAD"}}', { kind: "started" }],
    [200, '{"cancel":{"url":"http://127.0.0.1/stop","headers":{"a":1}}}', { kind: "started" }],
    [200, '{"cancel":{"uri":"http://127.0.0.1/stop"}}', { kind: "started" }],
    [200, '{"success":true}', { kind: "started" }],
    [200, '{"success":null}', { kind: "started" }],
    [200, '{"success":{"message":"ok"}}', { kind: "started" }],
    [200, '{"success":{},"failure":{}}', { kind: "started" }],
    [200, '{"failure":{"message":5}}', { kind: "started" }],
    [200, '{"failure":{"retryDelay":"-1s"}}', { kind: "started" }],
    [200, `{"success":{"output":${"[".repeat(200)}${"]".repeat(200)}}}`, { kind: "started" }],
    [200, '{"success":{}}', { kind: "success", output: undefined }],
    [201, '\ufeff {"success":{"output":{"a":[1]}},"cancel":{}}', { kind: "success", output: { a: [1] } }],
    [200, '{"success":{"output":null}}', { kind: "success", output: null }],
    [200, '{"failure":{}}', { kind: "failure", message: "", code: "", details: undefined, nonRetryable: false }],
    [
      200,
      '{"failure":{"message":"no disk","code":"DISK","details":{"free":0},"non_retryable":true,"retryDelay":"1.5s"}}',
      {
        kind: "failure",
        message: "no disk",
        code: "DISK",
        details: { free: 0 },
        nonRetryable: true,
        retryDelayMs: 1500,
      },
    ],
    [400, "bad", { kind: "rejected", code: "HTTP_400", message: "answered 400: bad" }],
    [404, "", { kind: "rejected", code: "HTTP_404", message: "answered 404" }],
    [422, "a\r\n\0b\u001b[31m", { kind: "rejected", code: "HTTP_422", message: "answered 422: a b [31m" }],
    [408, "", { kind: "failed", code: "HTTP_408", message: "answered 408" }],
    [500, '{"success":{}}', { kind: "failed", code: "HTTP_500", message: 'answered 500: {"success":{}}' }],
    [503, "", { kind: "failed", code: "HTTP_503", message: "answered 503" }],
    [599, "", { kind: "failed", code: "HTTP_599", message: "answered 599" }],
  ])("%i %j", async (status, body, outcome) => {
    const { call } = await setup((res) => res.writeHead(status).end(body));
    expect(await call({})).toEqual(outcome);
  });

  test.each([
    ["7", 7000],
    ["0", 0],
    ["99999999", 24 * 3600 * 1000],
    ["Thu, 01 Jan 2026 00:01:00 GMT", 60_000],
    ["Wed, 31 Dec 2025 00:00:00 GMT", 0],
    ["soon", undefined],
    ["-1", undefined],
    ["1.5", undefined],
  ])("Retry-After: %s asks for a delay of %j ms", async (header, retryAfterMs) => {
    const now = () => Date.UTC(2026, 0, 1);
    for (const status of [429, 503]) {
      const { call } = await setup((res) => res.writeHead(status, { "retry-after": header }).end(), { now });
      const outcome = await call({});
      expect(outcome).toMatchObject({ kind: "failed", code: `HTTP_${status}` });
      expect(outcome).toEqual(
        retryAfterMs === undefined
          ? expect.not.objectContaining({ retryAfterMs: expect.anything() })
          : expect.objectContaining({ retryAfterMs }),
      );
    }
  });

  test.each([301, 302, 303, 307, 308])("a redirect (%i) is final and not followed", async (status) => {
    const target = await receiverFor((res) => res.end());
    for (const location of [target.url, "http://169.254.169.254/latest/meta-data"]) {
      const { call, receiver } = await setup((res) => res.writeHead(status, { location }).end());
      const message = `answered ${status}, a redirect to ${location}; redirects are not followed`;
      expect(await call({})).toEqual({ kind: "rejected", code: `HTTP_${status}`, message });
      expect(receiver.calls).toHaveLength(1);
    }
    expect(target.calls).toHaveLength(0);
  });

  it("that never come are a timeout, and their connection is destroyed", async () => {
    const { call, receiver } = await setup(() => undefined, { timeoutMs: 150 });
    expect(await call({})).toEqual({ kind: "failed", code: "TIMEOUT", message: "no answer within 0.15 s" });
    await expect.poll(() => receiver.connections.size).toBe(0);
  });

  it("whose headers trickle are a timeout", async () => {
    const { call } = await setup((_res, _call, socket) => void socket.write("HTTP/1.1 200 OK\r\nX-A:"), {
      timeoutMs: 150,
    });
    expect(await call({})).toMatchObject({ kind: "failed", code: "TIMEOUT" });
  });

  it("without end are cut off, count by their status, and lose their connection", async () => {
    for (const [status, kind] of [
      [200, "started"],
      [404, "rejected"],
      [500, "failed"],
    ] as const) {
      const { call, receiver } = await setup((res) => {
        res.writeHead(status);
        const pour = (): void => {
          while (!res.destroyed && res.write("x".repeat(1000)));
        };
        res.on("drain", pour);
        pour();
      });
      expect((await call({})).kind).toBe(kind);
      await expect.poll(() => receiver.connections.size).toBe(0);
    }
  });

  it("longer than the bound are no report, and one of exactly the bound is", async () => {
    const report = (bytes: number): string => {
      const frame = '{"success":{"output":""}}'.length;
      return `{"success":{"output":"${"x".repeat(bytes - frame)}"}}`;
    };
    const { call: fits } = await setup((res) => res.end(report(65_536)));
    expect((await fits({})).kind).toBe("success");
    const { call: tooLong } = await setup((res) => res.end(report(65_537)));
    expect(await tooLong({})).toEqual({ kind: "started" });
  });

  it("whose body stalls or breaks off after a 2xx still mean started", async () => {
    const { call: stalls } = await setup((res) => void res.writeHead(200).write('{"success":'), { timeoutMs: 150 });
    expect(await stalls({})).toEqual({ kind: "started" });
    const { call: breaks } = await setup((res, _call, socket) => {
      res.writeHead(200, { "content-length": "100" }).write('{"success":{}}', () => socket.destroy());
    });
    expect(await breaks({})).toEqual({ kind: "started" });
  });

  it("with huge headers are a network error", async () => {
    const { call } = await setup((res) => res.writeHead(200, { "x-big": "x".repeat(100_000) }).end());
    const outcome = await call({});
    expect(outcome).toMatchObject({ kind: "failed", code: "NETWORK" });
    expect(outcome).toHaveProperty("message", expect.stringMatching(/header/i));
  });

  it("that are no HTTP are a network error", async () => {
    const { call } = await setup((_res, _call, socket) => void socket.end("SSH-2.0-OpenSSH_9.6\r\n"));
    expect(await call({})).toMatchObject({ kind: "failed", code: "NETWORK" });
  });

  it("are missing when the connection is dropped: a network error after one request, never a second", async () => {
    const { call, receiver } = await setup((_res, _call, socket) => void socket.destroy());
    expect(await call({})).toMatchObject({ kind: "failed", code: "NETWORK" });
    const { call: resets, receiver: resetter } = await setup((res, _call, socket) => {
      if (resetter.calls.length === 1) res.end();
      else socket.resetAndDestroy();
    });
    expect(await resets({})).toEqual({ kind: "started" });
    expect(await resets({})).toMatchObject({ kind: "failed", code: "NETWORK" });
    expect([receiver.calls.length, resetter.calls.length]).toEqual([1, 2]);
  });

  it("are missing when nobody listens: a network error with its cause", async () => {
    const probe = createServer();
    await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
    const { port } = probe.address() as AddressInfo;
    await new Promise((resolve) => probe.close(resolve));
    const { call } = await setup((res) => res.end());
    const outcome = await call({ url: `http://127.0.0.1:${port}/` });
    expect(outcome).toMatchObject({ kind: "failed", code: "NETWORK" });
    expect(outcome).toHaveProperty("message", expect.stringContaining("ECONNREFUSED"));
  });
});

describe("the guard", () => {
  const strict = createUrlGuard({ allowLoopback: false });

  it("refuses a literal address before a connection is made", async () => {
    const { call, receiver } = await setup((res) => res.end(), { guard: strict });
    for (const host of ["127.0.0.1", "2130706433", "[::ffff:127.0.0.1]"]) {
      const outcome = await call({ url: `http://${host}:${receiver.port}/` });
      expect(outcome).toEqual({ kind: "forbidden", message: expect.stringContaining("may not be called: address") });
    }
    expect(receiver.connections.size).toBe(0);
  });

  it("refuses a name that resolves to loopback, although the name passes", async () => {
    const guard = createUrlGuard({ allowLoopback: false, resolve: (_host, _options, done) => done(null, loopback) });
    const { call, receiver } = await setup((res) => res.end(), { guard });
    const url = `http://rebind.example.com:${receiver.port}/`;
    expect(guard.check(url)).toBeUndefined();
    expect(await call({ url })).toEqual({
      kind: "forbidden",
      message: expect.stringMatching(/rebind\.example\.com" resolves to 127\.0\.0\.1/),
    });
    expect(receiver.calls).toHaveLength(0);
  });

  it("connects to the address that it checked", async () => {
    const guard = createUrlGuard({ allowLoopback: true, resolve: (_host, _options, done) => done(null, loopback) });
    const { call, receiver } = await setup((res) => res.end(), { guard });
    expect(await call({ url: `http://receiver.example.com:${receiver.port}/` })).toEqual({ kind: "started" });
    expect(receiver.calls[0]?.headers.host).toBe(`receiver.example.com:${receiver.port}`);
  });

  it("is not asked to wait: a name whose look-up hangs is a timeout", async () => {
    const guard = createUrlGuard({ allowLoopback: true, resolve: () => undefined });
    const { call } = await setup((res) => res.end(), { guard, timeoutMs: 150 });
    expect(await call({ url: "http://slow.example.com/" })).toMatchObject({ kind: "failed", code: "TIMEOUT" });
    const { call: connectBound } = await setup((res) => res.end(), { guard, connectTimeoutMs: 100 });
    expect(await connectBound({ url: "http://slow.example.com/" })).toMatchObject({ kind: "failed", code: "TIMEOUT" });
  });

  it("refuses a start whose answer asks for a call to stop that may never be made", async () => {
    for (const cancel of [{ url: "http://10.0.0.1/stop" }, { url: "http://127.0.0.1/stop", headers: { Host: "h" } }]) {
      const { call } = await setup((res) => res.end(JSON.stringify({ cancel })));
      const message = expect.stringContaining("the cancel webhook of the answer is refused");
      expect(await call({})).toEqual({ kind: "rejected", code: "URL_FORBIDDEN", message });
    }
  });

  it("and the header rules hold at the call too", async () => {
    const { call, receiver } = await setup((res) => res.end());
    expect(await call({ headers: { Host: "internal" } })).toMatchObject({ kind: "forbidden" });
    expect(await call({ headers: { a: "b\r\nc: d" } })).toMatchObject({ kind: "forbidden" });
    expect(receiver.calls).toHaveLength(0);
  });
});

describe("an abort", () => {
  it("throws its reason and destroys the connection", async () => {
    const abort = new AbortController();
    const reason = new Error("stopping");
    const { caller, receiver } = await setup(() => abort.abort(reason));
    await expect(caller.call(startCall({ url: receiver.url }), abort.signal)).rejects.toBe(reason);
    await expect.poll(() => receiver.connections.size).toBe(0);
    await expect(caller.call(startCall({ url: receiver.url }), abort.signal)).rejects.toBe(reason);
    expect(receiver.calls).toHaveLength(1);
  });
});

const secret = Buffer.alloc(32, 7);
const loopback = [{ address: "127.0.0.1", family: 4 }];

function startCall(webhook: Partial<Webhook> & { url: string }, more: Partial<StartCall> = {}): StartCall {
  return { taskId, attempt: 3, handle, secrets: [secret], defaultBody: '{"attempt":3}', webhook, ...more };
}

function receiverFor(answer: Parameters<typeof startReceiver>[0]): Promise<Receiver> {
  return startReceiver(answer).then((receiver) => {
    onTestFinished(() => receiver[Symbol.asyncDispose]());
    return receiver;
  });
}

async function setup(
  answer: Parameters<typeof startReceiver>[0],
  { now, ...options }: Partial<WebhookClientOptions> & Pick<StartCallerOptions, "now"> = {},
): Promise<{
  receiver: Receiver;
  caller: StartCaller;
  call: (webhook: Partial<Webhook>, more?: Partial<StartCall>) => Promise<StartOutcome>;
}> {
  const receiver = await receiverFor(answer);
  const client = createWebhookClient({ guard: createUrlGuard({ allowLoopback: true }), ...options });
  const caller = createStartCaller({ client, ...(now === undefined ? {} : { now }) });
  onTestFinished(() => client.close());
  return {
    receiver,
    caller,
    call: (webhook, more) => caller.call(startCall({ url: receiver.url, ...webhook }, more), never),
  };
}
