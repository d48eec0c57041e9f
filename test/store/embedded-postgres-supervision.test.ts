import { describe, expect, it } from "vitest";
import type { Postmaster } from "../../src/store/embedded-postgres/postmaster.ts";
import { supervisePostmaster } from "../../src/store/embedded-postgres/supervise-postmaster.ts";

/** A postmaster that ends when it is told to. */
function fakePostmaster(): Postmaster & { crash(): void; stopped: boolean } {
  const { promise: ended, resolve } = Promise.withResolvers<string>();
  const fake = {
    ended,
    stopped: false,
    crash: () => resolve("crashed"),
    async stop() {
      fake.stopped = true;
      resolve("stopped");
    },
  };
  return fake;
}

describe("a supervised postmaster", () => {
  it("is given up when every restart has failed, and says why", async () => {
    const first = fakePostmaster();
    const lines: string[] = [];
    let restarts = 0;
    const restart = async () => {
      restarts++;
      throw new Error("disk full");
    };
    const policy = { delaysMs: [0, 1, 1], healthyAfterMs: 60_000 };
    const supervised = supervisePostmaster({ first, restart, policy, log: (line) => lines.push(line) });
    first.crash();
    expect(await supervised.exited).toEqual({
      expected: false,
      detail: "disk full (gave up after 3 tries to start it again)",
    });
    expect(restarts).toBe(3);
    expect(lines).toContain("PostgreSQL did not start again (try 3 of 3): disk full");
    await supervised.stop();
  });

  it("is given up when it keeps crashing soon after each start", async () => {
    const first = fakePostmaster();
    const policy = { delaysMs: [0, 1, 1], healthyAfterMs: 60_000 };
    let restarts = 0;
    const restart = async () => {
      restarts++;
      const next = fakePostmaster();
      next.crash();
      return next;
    };
    const supervised = supervisePostmaster({ first, restart, policy, log: () => {} });
    first.crash();
    expect(await supervised.exited).toMatchObject({ expected: false });
    expect(restarts).toBe(3);
  });

  it("stops while it waits for the next restart", async () => {
    const first = fakePostmaster();
    const waiting = Promise.withResolvers<void>();
    const restart = async () => {
      waiting.resolve();
      throw new Error("not yet");
    };
    const policy = { delaysMs: [0, 3_600_000], healthyAfterMs: 60_000 };
    const supervised = supervisePostmaster({ first, restart, policy, log: () => {} });
    first.crash();
    await waiting.promise;
    await supervised.stop();
    expect(await supervised.exited).toMatchObject({ expected: true });
  });

  it("stops what a restart under way brings up", async () => {
    const first = fakePostmaster();
    const second = fakePostmaster();
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<void>();
    const restart = async () => {
      asked.resolve();
      await answer.promise;
      return second;
    };
    const policy = { delaysMs: [0], healthyAfterMs: 60_000 };
    const supervised = supervisePostmaster({ first, restart, policy, log: () => {} });
    first.crash();
    await asked.promise;
    const stopped = supervised.stop();
    answer.resolve();
    await stopped;
    expect(second.stopped).toBe(true);
    expect(await supervised.exited).toMatchObject({ expected: true });
  });
});
