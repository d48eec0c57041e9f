import { expect, test } from "vitest";
import { type PipelineOptions, pipeline } from "../../src/rpc/stream-pipeline.ts";
import { MessageQueue } from "./message-queue.ts";

/** A stream of numbers whose answers are given by the test. */
function open(options: Partial<PipelineOptions<number, string>> = {}) {
  const requests = new MessageQueue<number>();
  const taken: number[] = [];
  const pending = new Map<number, PromiseWithResolvers<string>>();
  const abort = new AbortController();
  const take = (request: number): Promise<string> => {
    taken.push(request);
    const answer = Promise.withResolvers<string>();
    pending.set(request, answer);
    return answer.promise;
  };
  const answers = pipeline(requests, {
    ...{ signal: abort.signal, answersAfter: () => true, take, unansweredMax: 3, idleMs: 60_000 },
    ...options,
  });
  return {
    ...{ requests, taken, answers, abort },
    next: async () => (await answers.next()).value as readonly string[] | undefined,
    answer: (request: number) => pending.get(request)?.resolve(`${request}!`),
    fail: (request: number, message: string) => pending.get(request)?.reject(new Error(message)),
  };
}

const turns = async (): Promise<void> => {
  for (let n = 0; n < 5; n += 1) await new Promise((resolve) => setImmediate(resolve));
};

test("answers come in the order of the requests, all together that are there", async () => {
  const { requests, answers, answer, next, taken } = open();
  for (const n of [1, 2, 3]) requests.push(n);
  const first = next();
  await turns();
  expect(taken).toEqual([1, 2, 3]);
  answer(2);
  answer(3);
  await turns();
  answer(1);
  expect(await first).toEqual(["1!", "2!", "3!"]);
  requests.end();
  expect(await answers.next()).toMatchObject({ done: true });
});

test("no more is read than may be without an answer, nor where there is no room", async () => {
  let room: PromiseWithResolvers<void> | undefined;
  const { requests, answer, next, taken } = open({ room: () => room?.promise });
  for (let n = 1; n <= 10; n += 1) requests.push(n);
  const first = next();
  await turns();
  expect(taken).toEqual([1, 2, 3]);
  room = Promise.withResolvers();
  answer(1);
  expect(await first).toEqual(["1!"]);
  const second = next();
  await turns();
  expect(taken).toEqual([1, 2, 3]);
  const { resolve } = room;
  room = undefined;
  resolve();
  await turns();
  expect(taken).toEqual([1, 2, 3, 4]);
  for (const n of [2, 3, 4]) answer(n);
  expect(await second).toEqual(["2!", "3!", "4!"]);
});

test("after a while without answers an empty list comes, again and again", async () => {
  const { requests, next, answer } = open({ idleMs: 1 });
  expect(await next()).toEqual([]);
  requests.push(1);
  expect(await next()).toEqual([]);
  await turns();
  answer(1);
  expect(await next()).toEqual(["1!"]);
  expect(await next()).toEqual([]);
});

test("a request that fails ends it, once those before it are answered, and those behind it are not", async () => {
  const { requests, answers, answer, fail, next, taken } = open();
  for (const n of [1, 2, 3, 4, 5]) requests.push(n);
  const first = next();
  await turns();
  fail(2, "broken");
  await turns();
  answer(1);
  answer(3);
  expect(await first).toEqual(["1!"]);
  await expect(answers.next()).rejects.toThrow("broken");
  await turns();
  expect(taken).toEqual([1, 2, 3]);
});

test("a stream that breaks is answered as far as it came", async () => {
  async function* breaking(): AsyncGenerator<number> {
    yield 1;
    throw new Error("cut");
  }
  const release = Promise.withResolvers<string>();
  const answers = pipeline(breaking(), {
    ...{ signal: new AbortController().signal, answersAfter: () => true, take: () => release.promise },
    ...{ unansweredMax: 3, idleMs: 60_000 },
  });
  const first = answers.next();
  await turns();
  release.resolve("1!");
  expect((await first).value).toEqual(["1!"]);
  await expect(answers.next()).rejects.toThrow("cut");
});

test("when it is to end, what was taken is answered, or not, as the reason says; nothing more is taken", async () => {
  for (const isAnswered of [true, false]) {
    const { requests, answers, answer, abort, next, taken } = open({ answersAfter: () => isAnswered });
    requests.push(1);
    const first = next();
    first.catch(() => {});
    await turns();
    abort.abort(new Error("over"));
    requests.push(2);
    await turns();
    answer(1);
    if (isAnswered) expect(await first).toEqual(["1!"]);
    await expect(isAnswered ? answers.next() : first).rejects.toThrow("over");
    expect(taken).toEqual([1]);
  }
});
