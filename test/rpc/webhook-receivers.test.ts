import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { type Delivery, DeliveryState, FailureCause, TaskStatus } from "@millpond/sdk";
import { describe, expect, test } from "vitest";
import * as bad from "../webhooks/bad-answers.ts";
import { type Answer, type Receiver, type ReceiverOptions, startReceiver } from "../webhooks/receiver.ts";
import { eventually, type SharedServer, sharedServer } from "./shared-server.ts";
import { between, taskHistory } from "./task-history.ts";

/** A receiver that misbehaves, and what becomes of a start call and of a delivery that it gets. */
interface Misbehaviour {
  readonly what: string;
  readonly answer: Answer;
  readonly options?: ReceiverOptions;
  /** Undefined: the task runs. `final`: it is not called again, whatever its policy says. */
  readonly start?: { readonly code: string; readonly message: RegExp; readonly final?: true };
  /** The status that is kept of a delivery; its error is the message of the start. */
  readonly status: number;
  /** Not all of the answer is read: its connection is closed. */
  readonly cutOff?: true;
}

const network = (message: RegExp): Pick<Misbehaviour, "start" | "status"> => ({
  ...{ start: { code: "NETWORK", message }, status: 0 },
});
const final = (status: number, message: RegExp): Pick<Misbehaviour, "start" | "status"> => ({
  ...{ start: { code: `HTTP_${status}`, message, final: true }, status },
});
const failed = (status: number, message: RegExp): Pick<Misbehaviour, "start" | "status"> => ({
  ...{ start: { code: `HTTP_${status}`, message }, status },
});
const metadata = "http://169.254.169.254/latest/meta-data";

const failing: readonly Misbehaviour[] = [
  { what: "500", answer: bad.answer(500, "broken\0 <b>"), ...failed(500, /^answered 500: broken <b>$/) },
  { what: "503", answer: bad.answer(503), ...failed(503, /^answered 503$/) },
  { what: "408", answer: bad.answer(408), ...failed(408, /^answered 408$/) },
  { what: "404", answer: bad.answer(404, "no such job"), ...final(404, /^answered 404: no such job$/) },
  { what: "500 that claims success", answer: bad.answer(500, bad.report), ...failed(500, /answered 500: \{"success"/) },
  {
    what: "500 with bytes that are no UTF-8",
    ...{ answer: bad.answer(500, Buffer.from([0x61, 0xff, 0xfe, 0x62])), ...failed(500, /^answered 500: a\ufffd+b$/) },
  },
  {
    what: "a redirect to a cloud's metadata",
    answer: bad.answer(302, "", { location: metadata }),
    ...final(302, /redirect to http:\/\/169\.254\.169\.254/),
  },
];

const lying: readonly Misbehaviour[] = [
  {
    what: "an answer of 10 MB",
    answer: bad.answer(200, `${" ".repeat(10_000_000)}${bad.report}`),
    status: 200,
    cutOff: true,
  },
  { what: "an answer without end", answer: bad.flood(200), status: 200, cutOff: true },
  { what: "an error without end", answer: bad.flood(500), ...failed(500, /^answered 500: x{200}…$/), cutOff: true },
  { what: "bad JSON", answer: bad.answer(200, `${bad.report}}`), status: 200 },
  {
    what: "JSON nested 10,000 deep",
    ...{ answer: bad.answer(200, `{"success":{"output":${"[".repeat(10_000)}${"]".repeat(10_000)}}}`), status: 200 },
  },
  {
    what: "invalid UTF-8",
    ...{ answer: bad.answer(200, Buffer.from(`{"success":{"output":"\xff"}}`, "latin1")), status: 200 },
  },
  {
    what: "a body shorter than its Content-Length",
    answer: bad.bytes(`HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n${bad.report}`, { drop: true }),
    status: 200,
  },
  {
    what: "a body longer than its Content-Length",
    ...{ answer: bad.bytes(`HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n${bad.report}`), status: 200 },
  },
  {
    what: "two lengths",
    answer: bad.bytes("HTTP/1.1 200 OK\r\ncontent-length: 0\r\ncontent-length: 5\r\n\r\nhello"),
    ...network(/Content-Length/),
  },
  { what: "a gzip bomb", answer: bad.bomb, status: 200 },
  { what: "a packed report that nobody asked for", answer: bad.packed, status: 200 },
  { what: "a header of 100 KB", answer: bad.answer(200, "", { "x-big": "x".repeat(100_000) }), ...network(/header/i) },
  { what: "something that is no HTTP", answer: bad.bytes("SSH-2.0-OpenSSH_9.6\r\n"), ...network(/HTTP/) },
];

const interim: readonly Misbehaviour[] = [
  { what: "102 and 103 before the answer", answer: bad.hinted, status: 200 },
  {
    what: "100, which no call has asked for,",
    answer: bad.bytes("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    ...network(/bad response/),
  },
  {
    what: "101",
    answer: bad.bytes("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    ...network(/upgrade/),
  },
];

const dropping: readonly Misbehaviour[] = [
  { what: "before a request", answer: bad.answer(200), options: { onConnection: bad.drop }, ...network(/./) },
  { what: "before an answer", answer: (_response, _call, socket) => socket.destroy(), ...network(/./) },
  { what: "in the middle of headers", answer: bad.bytes("HTTP/1.1 200 OK\r\nx-a: ", { drop: true }), ...network(/./) },
  {
    what: "in the middle of a body",
    answer: bad.bytes(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1e\r\n${bad.report}\r\n`, { drop: true }),
    status: 200,
  },
  {
    what: "in the middle of an error's body",
    answer: bad.bytes("HTTP/1.1 500 No\r\ncontent-length: 99\r\n\r\nbrok", { drop: true }),
    ...failed(500, /: brok$/),
  },
];

const late = { start: { code: "TIMEOUT", message: /^no answer within 0\.7 s$/ }, status: 0, cutOff: true } as const;
const stalling: readonly Misbehaviour[] = [
  { what: "without an answer", answer: () => {}, ...late },
  { what: "in the middle of headers", answer: bad.bytes("HTTP/1.1 200 OK\r\nx-a: "), ...late },
  { what: "with interim answers without end", answer: bad.interim, ...late },
  { what: "in the middle of a body", answer: bad.trickle(200), status: 200, cutOff: true },
  {
    what: "in the middle of an error's body",
    answer: bad.trickle(500),
    ...failed(500, /^answered 500: \{"success$/),
    cutOff: true,
  },
];

/** What it does not end of itself, its timeout does not end either. */
const patient = sharedServer({ MILLPOND_WEBHOOK_TIMEOUT: "10m" });
const impatient = sharedServer({ MILLPOND_WEBHOOK_TIMEOUT: "700ms" });

describe("a receiver that fails with", () => eachOf(failing, patient));
describe("a receiver that lies with", () => eachOf(lying, patient));
describe("a receiver that sends", () => eachOf(interim, patient));
describe("a receiver that drops connections", () => eachOf(dropping, patient));
describe("a receiver that stalls", () => eachOf(stalling, impatient));

function eachOf(misbehaviours: readonly Misbehaviour[], server: SharedServer): void {
  test.concurrent.each(misbehaviours)("$what: a start call", (misbehaviour) => callStart(server, misbehaviour));
  test.concurrent.each(misbehaviours)("$what: a delivery", (misbehaviour) => makeDelivery(server, misbehaviour));
}

/** A task that would be called twice, at most. */
const twice = { retry: { maxAttempts: 2, initialBackoff: durationFromMs(10), jitter: 0 } };

async function callStart(server: SharedServer, misbehaviour: Misbehaviour): Promise<void> {
  const { answer, options, start } = misbehaviour;
  await using target = await startReceiver(answer, options);
  const history = taskHistory(server);
  const { taskId } = await history.single({ ...twice, execution: { case: "onStart", value: { url: target.url } } });
  const task = await history.reaches(taskId, start === undefined ? "RUNNING" : "FAILURE");
  const attempts = await history.attempts(taskId);
  const numbers = start === undefined || start.final ? [1] : [1, 2];
  expect(attempts.map(({ attempt }) => attempt)).toEqual(numbers);
  if (start !== undefined) {
    for (const { status, failure } of attempts) {
      expect([TaskStatus[status], FailureCause[failure?.cause ?? 0]]).toEqual(["FAILURE", "START_FAILED"]);
      expect(failure).toMatchObject({ code: start.code, message: expect.stringMatching(start.message) });
    }
    expect(task.failure).toEqual(attempts.at(-1)?.failure);
  }
  const ids = numbers.map((attempt) => `${taskId}:${attempt}:start`);
  await expectCalls(target, misbehaviour, ids);
}

async function makeDelivery(server: SharedServer, misbehaviour: Misbehaviour): Promise<void> {
  const { answer, options, start, status } = misbehaviour;
  await using target = await startReceiver(answer, options);
  const taskId = await endedTask(server, target.url);
  for (const attemptCount of start === undefined ? [1] : [1, 2]) {
    const delivery = await settledDelivery(server, taskId, attemptCount);
    expect(delivery).toMatchObject({ attemptCount, lastStatusCode: status });
    if (start === undefined) {
      expect(delivery).toMatchObject({ state: DeliveryState.DELIVERED, lastError: "" });
    } else {
      expect(delivery).toMatchObject({
        state: DeliveryState.PENDING,
        lastError: expect.stringMatching(start.message),
      });
      expectBackoff(delivery, 2 ** attemptCount * 1000);
    }
    await expectCalls(target, misbehaviour, Array(attemptCount).fill(delivery.deliveryId));
    await makeDue(server, target);
  }
}

/** Ends a task that has one webhook to be called then. */
async function endedTask(server: SharedServer, url: string): Promise<string> {
  const { kind, taskId } = await taskHistory(server).single({ onSuccess: [{ url }] });
  await server.succeed(await server.claimOne(kind));
  return taskId;
}

/** The one delivery of a task, once what came of its attempt of this number is kept. */
function settledDelivery(server: SharedServer, taskId: string, attemptCount: number): Promise<Delivery> {
  return eventually(async () => {
    const [delivery] = (await server.client.deliveries.listDeliveries({ taskId })).deliveries;
    if (delivery?.attemptCount !== attemptCount) return undefined;
    // Under way, its next attempt is when its lease is over.
    const isUnderWay = delivery.state === DeliveryState.PENDING && dueAfter(delivery) > 60_000;
    return isUnderWay ? undefined : delivery;
  }, `attempt ${attemptCount} of a delivery`);
}

/** How long after its last attempt a delivery is tried again. */
function dueAfter({ lastAttemptTime, nextAttemptTime }: Delivery): number {
  return between(lastAttemptTime, nextAttemptTime);
}

/** Half of the back-off is left to chance; the call itself takes a while, too. */
function expectBackoff(delivery: Delivery, backoffMs: number): void {
  expect(dueAfter(delivery)).toBeGreaterThanOrEqual(backoffMs / 2);
  expect(dueAfter(delivery)).toBeLessThan(60_000);
}

async function makeDue({ query }: SharedServer, { port }: Receiver): Promise<void> {
  await query("update delivery set due = now() where host = $1 and state = 1", [`127.0.0.1:${port}`]);
}

/** Expects exactly the calls with these ids, signed, none of which asks for what could not be bounded. */
async function expectCalls(target: Receiver, { options, cutOff }: Misbehaviour, ids: string[]): Promise<void> {
  if (options?.onConnection === bad.drop) {
    // One that is dropped before the request is written is opened again: nobody has got anything.
    expect(target.connectionCount).toBeGreaterThanOrEqual(ids.length);
    expect(target.calls).toEqual([]);
    return;
  }
  expect(target.calls.map(({ headers }) => headers["webhook-id"])).toEqual(ids);
  expect(target.calls.map(({ headers }) => headers["idempotency-key"])).toEqual(ids);
  for (const { headers } of target.calls) {
    expect(headers).not.toHaveProperty("accept-encoding");
    expect(headers["webhook-timestamp"]).toMatch(/^\d+$/);
    expect(headers["webhook-signature"]).toMatch(/^v1,[A-Za-z0-9+/]{43}=$/);
  }
  if (cutOff) await eventually(async () => target.connections.size === 0, "the connection to be closed");
}

test("a redirect to another receiver is not followed", async () => {
  await using other = await startReceiver(bad.answer(200));
  await using target = await startReceiver(bad.answer(307, "", { location: other.url }));
  const history = taskHistory(patient);
  const execution = { case: "onStart" as const, value: { url: target.url } };
  const { taskId } = await history.single({ ...twice, execution });
  const { failure } = await history.reaches(taskId, "FAILURE");
  const message = `answered 307, a redirect to ${other.url}; redirects are not followed`;
  expect(failure).toMatchObject({ cause: FailureCause.START_FAILED, code: "HTTP_307", message });
  expect(await history.outcomes(taskId)).toEqual(["1 FAILURE START_FAILED"]);
  const delivery = await settledDelivery(patient, await endedTask(patient, target.url), 1);
  expect(delivery).toMatchObject({ state: DeliveryState.PENDING, lastStatusCode: 307, lastError: message });
  expect([target.calls.length, other.connectionCount]).toEqual([2, 0]);
});

describe.concurrent("a receiver that is asked too often says when", () => {
  test.each([
    ["in seconds", () => "30"],
    ["as a date", () => new Date(Date.now() + 31_000).toUTCString()],
  ])("%s", async (_how, retryAfter) => {
    const asked: Answer = (response) => response.writeHead(429, { "retry-after": retryAfter() }).end();
    await using target = await startReceiver(asked);
    const history = taskHistory(patient);
    const execution = { case: "onStart" as const, value: { url: target.url } };
    const { taskId } = await history.single({ ...twice, execution });
    const task = await eventually(async () => {
      const found = await patient.task(taskId);
      return found.status === TaskStatus.PENDING && found.attempt === 1 ? found : undefined;
    }, "the task to wait for its second attempt");
    const [first] = await history.attempts(taskId);
    expect(first?.failure).toMatchObject({ code: "HTTP_429", message: "answered 429" });
    expectDelay(between(first?.endTime, task.startTime));
    const delivery = await settledDelivery(patient, await endedTask(patient, target.url), 1);
    expect(delivery).toMatchObject({ state: DeliveryState.PENDING, lastStatusCode: 429, lastError: "answered 429" });
    expectDelay(dueAfter(delivery));
    expect(target.calls).toHaveLength(2);
  });

  /** Dates have whole seconds. */
  const expectDelay = (delayMs: number): void => {
    expect(delayMs).toBeGreaterThan(28_000);
    expect(delayMs).toBeLessThan(45_000);
  };
});

describe("what is answered late changes nothing", () => {
  test("of a start call, after the start_timeout: it is cut off", async () => {
    const cut = Promise.withResolvers<void>();
    let answer = (): void => {};
    await using target = await startReceiver((response, { headers }, socket) => {
      if (headers["x-task-attempt"] !== "1") return void response.end();
      socket.once("close", () => cut.resolve());
      answer = () => response.end(bad.report);
    });
    const history = taskHistory(patient);
    const execution = { case: "onStart" as const, value: { url: target.url } };
    const { taskId } = await history.single({ execution, startTimeout: durationFromMs(1_000) });
    const task = await history.reaches(taskId, "RUNNING");
    await cut.promise;
    answer();
    expect(await patient.task(taskId)).toEqual(task);
    const outcomes = await history.outcomes(taskId);
    expect(outcomes).toEqual([
      ...outcomes.slice(1).map((_, n) => `${n + 1} FAILURE START_TIMEOUT`),
      `${task.attempt} RUNNING UNSPECIFIED`,
    ]);
  });

  test("of a delivery, after MILLPOND_WEBHOOK_TIMEOUT: it is made again with the same id", async () => {
    const answers: (() => void)[] = [];
    await using target = await startReceiver((response) => {
      if (target.calls.length === 1) answers.push(() => response.end());
      else response.end();
    });
    const taskId = await endedTask(impatient, target.url);
    const first = await settledDelivery(impatient, taskId, 1);
    expect(first).toMatchObject({ lastStatusCode: 0, lastError: "no answer within 0.7 s" });
    for (const reply of answers) reply();
    const second = await settledDelivery(impatient, taskId, 2);
    expect(second).toMatchObject({ state: DeliveryState.DELIVERED, lastStatusCode: 200, lastError: "" });
    const { deliveryId } = second;
    expect(target.calls.map(({ headers }) => headers["webhook-id"])).toEqual([deliveryId, deliveryId]);
  });
});
