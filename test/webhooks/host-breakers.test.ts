import { describe, expect, it } from "vitest";
import { HostBreakers } from "../../src/webhooks/host-breakers.ts";

const host = "away.example";

/** Breakers with a clock of their own, one of which has just opened: for a second. */
function opened() {
  let nowMs = 0;
  const breakers = new HostBreakers({ failuresMax: 2, now: () => nowMs });
  for (const call of [breakers.begin(host), breakers.begin(host)]) call.end("unreached");
  expect(breakers.retryInMs(host)).toBe(1000);
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { breakers, pass };
}

describe("a breaker that is open", () => {
  it("stays open no longer for calls that were claimed before it opened", () => {
    const { breakers, pass } = opened();
    for (const call of Array.from({ length: 20 }, () => breakers.begin(host))) call.end("unreached");
    expect(breakers.retryInMs(host)).toBe(1000);
    pass(1000);
    expect(breakers.allowance(host)).toBe(1);
  });

  it("stays open for twice as long after trials that fail, however many were made at the same time", () => {
    const { breakers, pass } = opened();
    pass(1000);
    const trials = [breakers.begin(host), breakers.begin(host)];
    expect(breakers.allowance(host)).toBe(0);
    for (const call of trials) call.end("unreached");
    expect(breakers.retryInMs(host)).toBe(2000);
    pass(2000);
    breakers.begin(host).end("unreached");
    expect(breakers.retryInMs(host)).toBe(4000);
  });

  it("closes when any call reaches the host, also one that began before it opened", () => {
    const { breakers } = opened();
    breakers.begin(host).end("reached");
    expect(breakers.allowance(host)).toBe(Number.POSITIVE_INFINITY);
    expect(breakers.openCount).toBe(0);
  });

  it("lets another call try after one that told nothing", () => {
    const { breakers, pass } = opened();
    pass(1000);
    breakers.begin(host).end("unknown");
    expect(breakers.allowance(host)).toBe(1);
  });
});
