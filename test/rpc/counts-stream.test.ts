import { createClient as createConnectClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { ErrorReason, type MillpondClient, type StreamCountsResponse, TaskService } from "@millpond/sdk";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { checkInvariants } from "../support/check-invariants.ts";
import { setup } from "../support/setup.ts";
import { until } from "../support/until.ts";
import { MessageQueue } from "./message-queue.ts";
import { errorOf } from "./server-harness.ts";
import { expectRefusal, newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();
afterAll(() => checkInvariants(server.setup.database.url));

type Requests = Parameters<MillpondClient["tasks"]["streamCounts"]>[0];
type Request = Requests extends AsyncIterable<infer Message> ? Message : never;

const foreignId = "01900000-0000-7000-8000-000000000000";

/** A stream of counts that is open: what was acknowledged so far, and how it ended. */
function open(client: Pick<MillpondClient, "tasks"> = server.client) {
  const requests = new MessageQueue<Request>();
  const answers: StreamCountsResponse[] = [];
  const turnAway = new AbortController();
  const read = async (): Promise<void> => {
    for await (const answer of client.tasks.streamCounts(requests, { signal: turnAway.signal })) answers.push(answer);
  };
  const ended = read();
  ended.catch(() => {});
  onTestFinished(() => requests.end());
  const acknowledged = (): bigint => answers.at(-1)?.acknowledgedSequence ?? 0n;
  return {
    ...{ answers, ended, acknowledged },
    send: (request: Request) => requests.push(request),
    end: () => requests.end(),
    turnAway: () => turnAway.abort(),
    reaches: (sequence: bigint) => until(`${sequence} is acknowledged`, () => acknowledged() >= sequence),
  };
}

async function oneTask(): Promise<string> {
  const kind = newKind();
  const { ids } = await server.graph([{ key: "a", name: "a", kind }]);
  await server.claim(kind);
  return ids.a ?? "";
}

const successes = async (taskId: string): Promise<bigint> => (await server.task(taskId)).successCount;

describe("StreamCounts", () => {
  test("acknowledges what is durable, and ends when its client has ended", async () => {
    const taskId = await oneTask();
    const stream = open();
    const producerId = newKind();
    for (let n = 1n; n <= 50n; n += 1n) stream.send({ producerId, sequence: n, counts: [{ taskId, success: n }] });
    await stream.reaches(50n);
    expect(await successes(taskId)).toBe((50n * 51n) / 2n);
    stream.send({ producerId, sequence: 60n, counts: [{ taskId, failure: 1n }] });
    stream.end();
    await stream.ended;
    expect(stream.acknowledged()).toBe(60n);
    expect((await server.task(taskId)).failureCount).toBe(1n);
    const sequences = stream.answers.map((answer) => answer.acknowledgedSequence);
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => Number(a - b)));
  });

  test("counts a message once, however often it comes: in one stream, in the next, in several at a time, of two servers", async () => {
    const taskId = await oneTask();
    const other = await server.setup.another();
    const producerId = newKind();
    const message = (sequence: bigint): Request => ({ producerId, sequence, counts: [{ taskId, success: 1n }] });
    const first = open();
    for (const sequence of [1n, 1n, 2n, 1n, 2n, 3n]) first.send(message(sequence));
    await first.reaches(3n);
    first.turnAway();
    const streams = [open(), open(other.client), open(), open(other.client)];
    for (let n = 1n; n <= 200n; n += 1n) for (const stream of streams) stream.send(message(n));
    for (const stream of streams) await stream.reaches(200n);
    expect(await successes(taskId)).toBe(200n);
    for (const stream of streams) stream.end();
    await Promise.all(streams.map((stream) => stream.ended));
    await other.server.stop();
  });

  test("tells how far a producer is, to who sends no counts", async () => {
    const taskId = await oneTask();
    const producerId = newKind();
    const [first, second] = [open(), open()];
    first.send({ producerId, sequence: 7n, counts: [{ taskId, success: 1n }] });
    await first.reaches(7n);
    second.send({ producerId, sequence: 1n });
    await second.reaches(7n);
    second.send({ producerId, sequence: 8n, counts: [{ taskId, success: 1n }] });
    await second.reaches(8n);
    expect(await successes(taskId)).toBe(2n);
  });

  test("refuses single items for good, told with the number of their message", async () => {
    const [taskId, ended] = [await oneTask(), await oneTask()];
    await server.client.tasks.cancelTasks({ taskIds: [ended] });
    const producerId = newKind();
    const stream = open();
    const counts = [
      { taskId: foreignId, success: 1n },
      { taskId, success: 1n },
      { taskId: ended, failure: 1n },
    ];
    stream.send({ producerId, sequence: 1n, counts });
    await stream.reaches(1n);
    stream.send({ producerId, sequence: 2n, counts: [{ taskId, success: 1n }] });
    stream.send({ producerId, sequence: 1n, counts });
    await stream.reaches(2n);
    stream.end();
    await stream.ended;
    const told = stream.answers.map(({ acknowledgedSequence, rejections }) => [
      ...[acknowledgedSequence, rejections.map(({ index, error }) => `${index} ${ErrorReason[error?.reason ?? 0]}`)],
    ]);
    expect(told[0]).toEqual([1n, ["0 TASK_NOT_FOUND", "2 TASK_ENDED"]]);
    expect(told.slice(1).every(([sequence, rejections]) => sequence === 2n && String(rejections) === "")).toBe(true);
    expect([await successes(taskId), await successes(ended)]).toEqual([2n, 0n]);
  });

  test("tells what was refused of a message once, whatever stream it comes by; a call that is repeated tells it again", async () => {
    const [taskId, ended] = [await oneTask(), await oneTask()];
    await server.client.tasks.cancelTasks({ taskIds: [ended] });
    const counts = [
      { taskId, success: 1n },
      { taskId: ended, success: 1n },
      { taskId: foreignId, success: 1n },
    ];
    const message = { producerId: newKind(), sequence: 1n, counts };
    const refused = ["1 TASK_ENDED", "2 TASK_NOT_FOUND"];
    const read = (rejections: StreamCountsResponse["rejections"]) =>
      rejections.map(({ index, error }) => `${index} ${ErrorReason[error?.reason ?? 0]}`);
    for (const expected of [refused, []]) {
      const stream = open();
      stream.send(message);
      await stream.reaches(1n);
      expect(stream.answers.map(({ rejections }) => read(rejections))).toEqual([expected]);
      stream.turnAway();
    }
    for (let n = 0; n < 2; n += 1) {
      const { rejections } = await server.client.tasks.addCounts({ requestId: message.producerId, counts });
      expect(read(rejections)).toEqual(refused);
    }
    expect(await successes(taskId)).toBe(2n);
  });

  test("ends with what is wrong with a message, after it has acknowledged those before", async () => {
    const taskId = await oneTask();
    const bad: [Request & { producerId: string }, string][] = [
      [{ producerId: "p", sequence: 2n, counts: [{ taskId, success: -1n }] }, "counts[0].success"],
      [{ producerId: "p", sequence: 0n, counts: [] }, "sequence"],
      [{ producerId: "", sequence: 2n, counts: [] }, "producer_id"],
      [{ producerId: "another", sequence: 2n, counts: [{ taskId, success: 1n }] }, "producer_id"],
      [{ producerId: "p", sequence: 2n, counts: [{ taskId: "none", success: 1n }] }, "counts[0].task_id"],
    ];
    for (const [n, [message, field]] of bad.entries()) {
      const stream = open();
      const producerId = `${newKind()} p`;
      stream.send({ producerId, sequence: 1n, counts: [{ taskId, success: 1n }] });
      stream.send({ ...message, producerId: message.producerId === "p" ? producerId : message.producerId });
      await expectRefusal(stream.ended, { code: "InvalidArgument", reason: "INVALID_FIELD", fields: [field] });
      expect([stream.acknowledged(), await successes(taskId)]).toEqual([1n, BigInt(n + 1)]);
    }
  });

  test("works over the Connect protocol, and needs HTTP/2", async () => {
    const taskId = await oneTask();
    const clientOf = (httpVersion: "1.1" | "2") => ({
      tasks: createConnectClient(TaskService, createConnectTransport({ baseUrl: server.url, httpVersion })),
    });
    const producerId = newKind();
    const stream = open(clientOf("2"));
    stream.send({ producerId, sequence: 1n, counts: [{ taskId, success: 1n }] });
    await stream.reaches(1n);
    stream.end();
    await stream.ended;
    const refused = open(clientOf("1.1"));
    refused.send({ producerId, sequence: 2n, counts: [{ taskId, success: 1n }] });
    await errorOf(refused.ended);
    expect(await successes(taskId)).toBe(1n);
  });

  test("of a server that stops is acknowledged as far as it was read, ends with UNAVAILABLE, and goes on with another", async () => {
    await using s = await setup();
    const other = await s.another();
    const { tasks } = await s.client.tasks.createTasks({ tasks: [{ name: "a", kind: "k" }] });
    const taskId = tasks[0]?.taskId ?? "";
    const message = (sequence: bigint): Request => ({ producerId: "p", sequence, counts: [{ taskId, success: 1n }] });
    const stream = open(s.client);
    let sent = 0n;
    const sending = setInterval(() => stream.send(message(++sent)), 1);
    await stream.reaches(20n);
    const stopped = s.server.stop();
    expect((await errorOf(stream.ended)).message).toContain("shutting down");
    clearInterval(sending);
    await stopped;
    const counted = async () => (await other.client.tasks.getTask({ taskId })).task?.successCount;
    expect(await counted()).toBe(stream.acknowledged());
    const next = open(other.client);
    for (let n = stream.acknowledged() + 1n; n <= sent; n += 1n) next.send(message(n));
    next.end();
    await next.ended;
    expect(await counted()).toBe(sent);
    await checkInvariants(s.database.url);
  });
});
