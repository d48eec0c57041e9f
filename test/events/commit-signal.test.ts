import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CommitSignal } from "../../src/events/commit-signal.ts";
import type { Database } from "../../src/store/database.ts";

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

test("while the database is away it is asked once a second, though a failed connection also says that it has ended", async () => {
  let calls = 0;
  let end: (() => void) | undefined;
  const signal = signalOn(async (_channel, _onNotify, onEnd) => {
    calls += 1;
    if (calls === 1) {
      end = onEnd;
      return { end: async () => {} };
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
  open += 1;
  opened.resolve();
  await vi.advanceTimersByTimeAsync(1);
  expect(open).toBe(0);
});
