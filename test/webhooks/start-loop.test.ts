import { describe, expect, it, onTestFinished, test, vi } from "vitest";
import { HostBreakers } from "../../src/webhooks/host-breakers.ts";
import { away, names, setup, started, until } from "./engine-in-memory.ts";

describe("a start loop", () => {
  it("claims, calls and reports what is ready, each with its own outcome", async () => {
    const engine = setup({ autoAnswer: false });
    engine.add("a", "b");
    engine.loop.start();
    await until(() => engine.calling.size === 2);
    engine.answer("b", { kind: "rejected", code: "HTTP_404", message: "answered 404" });
    await until(() => engine.reports.length === 1);
    engine.answer("a", started);
    await until(() => engine.reports.length === 2);
    expect(engine.reports).toEqual([
      ["b", "rejected"],
      ["a", "started"],
    ]);
    expect(engine.onCall.mock.calls.map(([call]) => call)).toEqual([
      { outcome: "rejected", durationMs: expect.any(Number) },
      { outcome: "started", durationMs: expect.any(Number) },
    ]);
    expect(engine.errors).toEqual([]);
  });

  it("never has more calls in flight than its concurrency, nor claims more than it has places for", async () => {
    const engine = setup({ concurrency: 4, perHostMax: 4 });
    engine.add(...names(200));
    engine.loop.start();
    await until(() => engine.reports.length === 200);
    expect(engine.peak()).toBe(4);
    expect(Math.max(...engine.claims.map(([max]) => max))).toBe(4);
    expect(new Set(engine.reports.map(([id]) => id)).size).toBe(200);
  });

  it("lets one slow receiver hold only its own place", async () => {
    const engine = setup({ concurrency: 2, perHostMax: 2, autoAnswer: (id) => id !== "slow" });
    engine.add("slow", ...names(50));
    engine.loop.start();
    await until(() => engine.reports.length === 50);
    expect([...engine.calling.keys()]).toEqual(["slow"]);
  });

  it("does nothing when nothing is ready but look once per poll interval", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const engine = setup({ pollMs: 1000 });
    engine.loop.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect([engine.looks(), engine.claims.length]).toEqual([11, 0]);
    engine.add("a");
    await vi.advanceTimersByTimeAsync(1001);
    expect(engine.reports).toEqual([["a", "started"]]);
  });

  it("claims at once when woken, also by a wake that falls into a claim", async () => {
    const engine = setup({ pollMs: 1e9 });
    engine.loop.start();
    await until(() => engine.looks() === 1);
    engine.add("a");
    engine.loop.wake();
    await until(() => engine.reports.length === 1);
    const gate = engine.holdNextClaim();
    engine.add("b");
    engine.loop.wake([engine.queueOf("b")]);
    await gate.entered;
    engine.loop.wake([engine.queueOf("b")]);
    gate.openEmpty();
    await until(() => engine.reports.length === 2);
  });

  it("claims again at once where a claim has only turned down what its rules do not let in", async () => {
    const engine = setup({ pollMs: 1e9 });
    const gate = engine.holdNextClaim();
    engine.add("a");
    engine.loop.start();
    await gate.entered;
    gate.openEmpty(true);
    await until(() => engine.reports.length === 1);
    expect(engine.looks()).toBe(1);
  });

  it("claims what a wake announced while every place was taken as soon as one is free", async () => {
    const engine = setup({ concurrency: 1, pollMs: 1e9, autoAnswer: false });
    engine.add("a");
    engine.loop.start();
    await until(() => engine.calling.has("a"));
    engine.add("b");
    engine.loop.wake([engine.queueOf("b")]);
    engine.answer("a", started);
    await until(() => engine.calling.has("b"));
  });

  it("does nothing on a wake before start", async () => {
    const engine = setup({});
    engine.add("a");
    engine.loop.wake();
    expect(engine.claims).toEqual([]);
    engine.loop.start();
    engine.loop.start();
    await until(() => engine.reports.length === 1);
  });

  it("raises no listener warning with many calls on its one signal", async () => {
    const warnings: unknown[] = [];
    const onWarning = (warning: unknown): void => void warnings.push(warning);
    process.on("warning", onWarning);
    onTestFinished(() => void process.off("warning", onWarning));
    const engine = setup({ concurrency: 64, perHostMax: 64, reportError: () => away });
    engine.add(...names(64));
    engine.loop.start();
    await until(() => engine.errors.length >= 128);
    expect(warnings).toEqual([]);
  });
});

describe("hosts", () => {
  it("never fill more than their share, and hold up nobody else's tasks", async () => {
    const engine = setup({ concurrency: 8, perHostMax: 4, autoAnswer: (id) => !id.startsWith("stalled") });
    engine.add(...names(20).map((name) => `stalled-${name}`), ...names(50));
    engine.loop.start();
    await until(() => engine.reports.length === 50);
    expect(engine.reports.every(([id]) => !id.startsWith("stalled"))).toBe(true);
    expect(engine.calling.size).toBe(4);
    expect(engine.peakOf("stalled")).toBe(4);
    expect(engine.waiting).toHaveLength(16);
  });

  it("never get more than their share by a second claim", async () => {
    const engine = setup({ concurrency: 8, perHostMax: 4, autoAnswer: false });
    engine.add("stalled-1", "stalled-2", "stalled-3");
    engine.loop.start();
    await until(() => engine.calling.size === 3);
    engine.add("stalled-4", "stalled-5", "stalled-6", "other");
    engine.loop.wake();
    await until(() => engine.calling.has("other"));
    expect(engine.peakOf("stalled")).toBe(4);
  });

  it("are claimed for again as soon as a place of theirs is free", async () => {
    const engine = setup({
      ...{ concurrency: 4, perHostMax: 2, pollMs: 1e9 },
      autoAnswer: (id) => !id.startsWith("stalled"),
    });
    engine.add("stalled-1", "stalled-2", "stalled-3");
    engine.loop.start();
    await until(() => engine.calling.size === 2);
    engine.answer("stalled-1", started);
    await until(() => engine.calling.has("stalled-3"));
  });

  it("with many places are claimed for together, those with few alone", async () => {
    const engine = setup({ concurrency: 200, perHostMax: 20, autoAnswer: (id) => !id.startsWith("slow") });
    engine.add(...names(10).map((name) => `slow-${name}`));
    engine.loop.start();
    await until(() => engine.calling.size === 10);
    engine.add(...names(20).map((name) => `slow-${name}b`), "a", "b", "c");
    const before = engine.claims.length;
    engine.loop.wake();
    await until(() => engine.reports.length === 3 && engine.calling.size === 20);
    const claims = engine.claims.slice(before).map(([max, queues]) => [max, queues.length]);
    expect(claims).toContainEqual([20, 3]);
    expect(claims).toContainEqual([10, 1]);
  });

  it("of many queues get their turns", async () => {
    const engine = setup({ concurrency: 2, perHostMax: 1 });
    engine.add(...names(50).flatMap((name) => [`${name}-1`, `${name}-2`]));
    engine.loop.start();
    await until(() => engine.reports.length === 100);
  });

  it("get what is first in all their queues, where one place is free in all", async () => {
    const engine = setup({ concurrency: 2, perHostMax: 2, pollMs: 1e9, autoAnswer: false });
    engine.add("busy-1", "busy-2");
    engine.loop.start();
    await until(() => engine.calling.size === 2);
    engine.add("high-1", "low-1");
    engine.loop.wake([engine.queueOf("low-1")]);
    engine.loop.wake([engine.queueOf("high-1")]);
    engine.answer("busy-1", started);
    await until(() => engine.calling.size === 2);
    expect(engine.waiting).toEqual(["low-1"]);
  });

  it("get what is first in all their queues, where one place of theirs is free", async () => {
    const engine = setup({ concurrency: 8, perHostMax: 2, pollMs: 1e9, autoAnswer: false });
    engine.add("host-1", "host-2");
    engine.loop.start();
    await until(() => engine.calling.size === 2);
    engine.add("host-3+high", "host-4+low", "host-5+high");
    engine.loop.wake([engine.queueOf("host-4+low")]);
    engine.loop.wake([engine.queueOf("host-3+high")]);
    engine.answer("host-1", started);
    await until(() => engine.calling.size === 2);
    expect(engine.waiting).toEqual(["host-4+low", "host-5+high"]);
    engine.answer("host-2", started);
    await until(() => engine.calling.size === 2);
    expect(engine.waiting).toEqual(["host-5+high"]);
  });

  it("that share a queue have the places of one host together, and hold up nobody else's tasks", async () => {
    const engine = setup({ concurrency: 8, perHostMax: 2, pollMs: 1e9, autoAnswer: (id) => !id.includes(" ") });
    engine.add("shared 1", "shared 2", "shared 3", "shared 4", ...names(20));
    engine.loop.start();
    await until(() => engine.reports.length === 20);
    expect([...engine.calling.keys()]).toEqual(["shared 1", "shared 2"]);
    engine.answer("shared 1", started);
    await until(() => engine.calling.has("shared 3"));
    expect(engine.waiting).toEqual(["shared 4"]);
  });

  it("whose queue does not tell are called, each with its own places", async () => {
    const engine = setup({ concurrency: 8, perHostMax: 2, autoAnswer: false });
    engine.add("no url", "no host");
    engine.loop.start();
    await until(() => engine.calling.size === 2);
  });

  it("that are not reached are left alone, and tried by one call at a time until one is answered", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    let isAway = true;
    const changes: unknown[] = [];
    const breakers = new HostBreakers({ failuresMax: 3, onChange: (change) => changes.push(change) });
    const engine = setup({
      ...{ concurrency: 8, perHostMax: 4, breakers },
      outcome: (id) =>
        isAway && id.startsWith("dead") ? { kind: "failed", code: "TIMEOUT", message: "no answer" } : started,
    });
    engine.add(...names(20).map((name) => `dead-${name}`), ...names(5));
    engine.loop.start();
    await vi.advanceTimersByTimeAsync(100);
    const dead = (): number => engine.called.filter((id) => id.startsWith("dead")).length;
    // Four at once, and one more for each of the first two that end.
    const opened = dead();
    expect(opened).toBeLessThanOrEqual(6);
    expect(engine.called.filter((id) => !id.startsWith("dead"))).toHaveLength(5);
    expect(changes).toEqual([{ host: "dead.example.com:8080", isOpen: true }]);
    // After 1 s, 2 s, 4 s.
    await vi.advanceTimersByTimeAsync(9_000);
    expect(dead()).toBe(opened + 3);
    isAway = false;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(dead()).toBe(20);
    expect(changes).toHaveLength(2);
    expect(breakers.openCount).toBe(0);
  });
});

describe("when something fails", () => {
  it("a claim is tried again at the next poll", async () => {
    const engine = setup({ pollMs: 5 });
    engine.failClaims(away);
    engine.add("a");
    engine.loop.start();
    await until(() => engine.errors.length >= 3);
    expect(engine.errors[0]).toEqual(["claim", away]);
    engine.failClaims(undefined);
    await until(() => engine.reports.length === 1);
  });

  it("a report that finds no store is tried again until it is stored, and keeps its place", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    let isAway = true;
    const engine = setup({ concurrency: 2, perHostMax: 2, reportError: () => (isAway ? away : undefined) });
    engine.add("a", "b", "c");
    engine.loop.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(engine.errors.length).toBeGreaterThan(20);
    expect(engine.errors.length).toBeLessThan(60);
    expect(engine.waiting).toEqual(["c"]);
    isAway = false;
    await vi.advanceTimersByTimeAsync(5000);
    expect(engine.reports.map(([id]) => id).sort()).toEqual(["a", "b", "c"]);
    expect(engine.called.sort()).toEqual(["a", "b", "c"]);
  });

  it("a report that fails otherwise is given up after five tries, and its place is free", async () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const defect = new TypeError("defect");
    const engine = setup({ concurrency: 1, reportError: (id) => (id === "a" ? defect : undefined) });
    engine.add("a", "b");
    engine.loop.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(engine.errors).toEqual(Array.from({ length: 5 }, () => ["report", defect]));
    expect(engine.reports).toEqual([["b", "started"]]);
  });

  it("a caller that throws is reported as a failed attempt", async () => {
    const defect = new TypeError("defect");
    const engine = setup({ callError: defect });
    engine.add("a");
    engine.loop.start();
    await until(() => engine.reports.length === 1);
    expect(engine.reports).toEqual([["a", "failed"]]);
    expect(engine.errors).toEqual([["call", defect]]);
  });
});

describe("stop", () => {
  it("claims no more, waits for calls in flight and their reports, and is idempotent", async () => {
    const engine = setup({ concurrency: 1, autoAnswer: false });
    engine.add("a", "b");
    engine.loop.start();
    await until(() => engine.calling.has("a"));
    let isStopped = false;
    const stopping = Promise.all([engine.loop.stop(), engine.loop.stop()]).then(() => {
      isStopped = true;
    });
    engine.loop.wake();
    await new Promise(setImmediate);
    expect(isStopped).toBe(false);
    engine.answer("a", started);
    await stopping;
    expect(engine.reports).toEqual([["a", "started"]]);
    engine.loop.start();
    engine.loop.wake();
    expect(engine.waiting).toEqual(["b"]);
    expect(engine.claims).toHaveLength(1);
  });

  it("calls what a claim brings that was under way", async () => {
    const engine = setup({});
    const gate = engine.holdNextClaim();
    engine.add("a");
    engine.loop.start();
    await gate.entered;
    const stopping = engine.loop.stop();
    gate.open();
    await stopping;
    expect(engine.reports).toEqual([["a", "started"]]);
  });

  it("aborts calls at its bound and does not report them", async () => {
    const engine = setup({ autoAnswer: false, stopTimeoutMs: 20 });
    engine.add("a");
    engine.loop.start();
    await until(() => engine.calling.has("a"));
    await engine.loop.stop();
    expect(engine.calling.size).toBe(0);
    expect(engine.reports).toEqual([]);
    expect(engine.errors).toEqual([]);
  });

  it("gives up reports at its bound, after one last try", async () => {
    const engine = setup({ stopTimeoutMs: 20, reportError: () => away });
    engine.add("a");
    engine.loop.start();
    await until(() => engine.errors.length === 1);
    await engine.loop.stop();
    expect(engine.errors).toEqual([
      ["report", away],
      ["report", away],
    ]);
  });

  it("does not wait for ever for a claim or a report that never answers", async () => {
    const engine = setup({ stopTimeoutMs: 10 });
    const gate = engine.holdNextClaim();
    engine.add("a");
    engine.loop.start();
    await gate.entered;
    await engine.loop.stop();
    const hanging = setup({ stopTimeoutMs: 10, report: () => new Promise(() => undefined) });
    hanging.add("a");
    hanging.loop.start();
    await until(() => hanging.called.length === 1);
    await hanging.loop.stop();
  });

  test("of a loop that never started ends at once", async () => {
    await setup({}).loop.stop();
  });
});
