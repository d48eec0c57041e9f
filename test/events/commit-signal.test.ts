import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CommitSignal } from "../../src/events/commit-signal.ts";
import type { Database, SignalConnection } from "../../src/store/database.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** A database whose listening connections are made by a function. */
function signalOn(listen: Database["listen"]): CommitSignal {
  return new CommitSignal({ db: { listen } as Database, serverId: "s", onError: () => {} });
}

/** A connection that says what it sends, once `isSent` resolves. */
function connection(sent: string[] = [], isSent: () => Promise<void> = async () => {}): SignalConnection {
  return {
    notify: async (payload) => {
      sent.push(payload);
      await isSent();
    },
    end: async () => {},
  };
}

test("the first commit after a quiet time is told at once, those that follow together a few milliseconds later", async () => {
  const sent: string[] = [];
  const signal = signalOn(async () => connection(sent));
  await signal.start();
  signal.committed([1]);
  expect(sent).toEqual(["s 1"]);
  for (let n = 0; n < 1_000; n += 1) signal.committed(n % 2 === 0 ? [2] : [3]);
  await vi.advanceTimersByTimeAsync(1);
  expect(sent).toEqual(["s 1"]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sent).toEqual(["s 1", "s 2,3"]);
  signal.committed([]);
  expect(sent).toEqual(["s 1", "s 2,3", "s "]);
  await signal.stop();
});

test("what is committed while a notification is in flight waits for it, and is told before the signal has stopped", async () => {
  const sent: string[] = [];
  const arrived = Promise.withResolvers<void>();
  const signal = signalOn(async () => connection(sent, () => arrived.promise));
  await signal.start();
  signal.committed([1]);
  signal.committed([2]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sent).toEqual(["s 1"]);
  const stopped = signal.stop();
  arrived.resolve();
  await stopped;
  expect(sent).toEqual(["s 1", "s 2"]);
});

test("what cannot be told any more does not hold up the stop", async () => {
  let tries = 0;
  const fails = Promise.withResolvers<void>();
  const signal = signalOn(async () =>
    connection([], async () => {
      tries += 1;
      if (tries > 100) return;
      await fails.promise;
    }),
  );
  await signal.start();
  signal.committed([1]);
  const stopped = signal.stop();
  fails.reject(new Error("the connection has ended"));
  await stopped;
  expect(tries).toBe(1);
});

test("what could not be told is told by the next connection, with what was committed meanwhile; this server hears of it at once", async () => {
  const sent: string[] = [];
  const told: unknown[] = [];
  let end: (() => void) | undefined;
  const signal = signalOn(async (_channel, _onNotify, onEnd) => {
    if (end !== undefined) return connection(sent);
    end = onEnd;
    return connection([], async () => {
      onEnd();
      throw new Error("connection lost");
    });
  });
  await signal.start();
  signal.onCommit((queues) => told.push(queues));
  signal.committed([1]);
  await vi.advanceTimersByTimeAsync(10);
  signal.committed([2]);
  expect(told).toEqual([[1], [2]]);
  expect(sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sent).toEqual(["s 1,2"]);
  await signal.stop();
});

test("while the database is away it is asked once a second, though a failed connection also says that it has ended", async () => {
  let calls = 0;
  let end: (() => void) | undefined;
  const signal = signalOn(async (_channel, _onNotify, onEnd) => {
    calls += 1;
    if (calls === 1) {
      end = onEnd;
      return connection();
    }
    onEnd();
    throw new Error("connection refused");
  });
  await signal.start();
  end?.();
  await vi.advanceTimersByTimeAsync(20_000);
  expect(calls).toBe(21);
  await signal.stop();
});

test("a connection that is made while the signal stops is closed", async () => {
  const opened = Promise.withResolvers<void>();
  let open = 0;
  let end: (() => void) | undefined;
  let first = true;
  const signal = signalOn(async (_channel, _onNotify, onEnd) => {
    if (!first) await opened.promise;
    first = false;
    open += 1;
    end = onEnd;
    return {
      ...connection(),
      end: async () => {
        open -= 1;
      },
    };
  });
  await signal.start();
  end?.();
  open -= 1;
  await vi.advanceTimersByTimeAsync(1_000);
  await signal.stop();
  opened.resolve();
  await vi.advanceTimersByTimeAsync(1);
  expect(open).toBe(0);
});

test("tasks that have logged are told apart from commits, by their ids as far as a notification takes them", async () => {
  const sent: string[] = [];
  const heard: (readonly bigint[] | undefined)[] = [];
  const commits: unknown[] = [];
  let receive: (payload: string) => void = () => {};
  const signal = signalOn(async (_, onNotify) => {
    receive = onNotify;
    return connection(sent);
  });
  signal.onLogged((ids) => heard.push(ids));
  signal.onCommit((queues) => commits.push(queues));
  await signal.start();
  expect([heard.splice(0), commits.splice(0)]).toEqual([[undefined], [undefined]]);
  signal.logged([7n, 8n]);
  await vi.advanceTimersByTimeAsync(1_000);
  signal.logged(Array.from({ length: 5_000 }, (_, n) => BigInt(n)));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(sent).toEqual(["s  7,8", "s  *"]);
  expect([heard.splice(0).map((ids) => ids?.length), commits]).toEqual([[2, 5_000], []]);
  for (const payload of ["s  9", "other  9,10", "other  *", "other 3"]) receive(payload);
  expect([heard, commits]).toEqual([[[9n, 10n], undefined], [[3]]]);
  await signal.stop();
});

test("what another program sends on the channel is no reason to fail: anything may have changed", async () => {
  const heard: unknown[] = [];
  const commits: unknown[] = [];
  let receive: (payload: string) => void = () => {};
  const signal = signalOn(async (_, onNotify) => {
    receive = onNotify;
    return connection();
  });
  await signal.start();
  signal.onLogged((ids) => heard.push(ids));
  signal.onCommit((queues) => commits.push(queues));
  for (const payload of ["psql  x", "psql  1,1.5", "psql 1,x", `psql ${"9".repeat(400)}`, ""]) receive(payload);
  expect([heard, commits]).toEqual([
    [undefined, undefined],
    [undefined, undefined, []],
  ]);
  await signal.stop();
});

test("a timer that is due soon is told to those who wait for timers, and is no commit", async () => {
  let receive: (payload: string) => void = () => {};
  const signal = signalOn(async (_channel, onNotify) => {
    receive = onNotify;
    return connection();
  });
  const [timers, commits] = [vi.fn(), vi.fn()];
  signal.onTimers(timers);
  await signal.start();
  signal.onCommit(commits);
  receive("timers");
  expect([timers.mock.calls.length, commits.mock.calls.length]).toEqual([1, 0]);
  receive("other 7");
  expect([timers.mock.calls.length, commits.mock.calls]).toEqual([1, [[[7]]]]);
  await signal.stop();
});
