import { describe, expect, it, onTestFinished, test, vi } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import type { StartCall, StartOutcome } from "../../src/webhooks/start-call.ts";
import { createStartLoop, type StartLoop, type StartLoopOptions } from "../../src/webhooks/start-loop.ts";

const started: StartOutcome = { kind: "started" };

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
    expect(engine.claims).toHaveLength(11);
    engine.add("a");
    await vi.advanceTimersByTimeAsync(1001);
    expect(engine.reports).toEqual([["a", "started"]]);
  });

  it("claims at once when woken, also by a wake that falls into a claim", async () => {
    const engine = setup({ pollMs: 1e9 });
    engine.loop.start();
    await until(() => engine.claims.length === 1);
    engine.add("a");
    engine.loop.wake();
    await until(() => engine.reports.length === 1);
    const gate = engine.holdNextClaim();
    engine.loop.wake();
    await gate.entered;
    engine.add("b");
    engine.loop.wake();
    gate.openEmpty();
    await until(() => engine.reports.length === 2);
  });

  it("claims what a wake announced while every place was taken as soon as one is free", async () => {
    const engine = setup({ concurrency: 1, pollMs: 1e9, autoAnswer: false });
    engine.add("a");
    engine.loop.start();
    await until(() => engine.calling.has("a"));
    engine.add("b");
    engine.loop.wake();
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

  it("runs once for tests: claims once and resolves when what it claimed is reported", async () => {
    const engine = setup({ concurrency: 4, perHostMax: 2 });
    engine.add(...names(3));
    expect(await engine.loop.runOnce()).toBe(2);
    expect(engine.reports).toHaveLength(2);
    expect(await engine.loop.runOnce()).toBe(1);
    expect(await engine.loop.runOnce()).toBe(0);
    expect(engine.claims).toHaveLength(3);
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
  it("never fill more than their share while claims leave the busy ones out", async () => {
    const engine = setup({ concurrency: 8, autoAnswer: (id) => !id.startsWith("stalled") });
    engine.add(...names(20).map((name) => `stalled-${name}`), ...names(50));
    engine.loop.start();
    await until(() => engine.reports.length === 50);
    expect(engine.reports.every(([id]) => !id.startsWith("stalled"))).toBe(true);
    expect(engine.calling.size).toBe(4);
    expect(engine.claims.at(-1)?.[1]).toEqual(["stalled.example.com:8080"]);
    expect(engine.peakOf("stalled")).toBe(4);
  });

  it("never get more than their share by a second claim", async () => {
    const engine = setup({ concurrency: 8, autoAnswer: false });
    engine.add("stalled-1", "stalled-2", "stalled-3");
    engine.loop.start();
    await until(() => engine.calling.size === 3);
    engine.add("stalled-4", "stalled-5", "stalled-6", "other");
    engine.loop.wake();
    await until(() => engine.calling.has("other"));
    expect(engine.peakOf("stalled")).toBe(4);
  });

  it("are claimed for again as soon as they are no longer busy", async () => {
    const engine = setup({ concurrency: 4, pollMs: 1e9, autoAnswer: (id) => !id.startsWith("stalled") });
    engine.add("stalled-1", "stalled-2", "stalled-3");
    engine.loop.start();
    await until(() => engine.calling.size === 2);
    await until(() => engine.claims.length === 2);
    engine.answer("stalled-1", started);
    await until(() => engine.calling.has("stalled-3"));
  });

  it("that are no hosts are called all the same: the caller forbids them", async () => {
    const engine = setup({});
    engine.add("no url");
    engine.loop.start();
    await until(() => engine.reports.length === 1);
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

const away = new MillpondError("STORE_UNAVAILABLE", "the database is away");

function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `t${index}`);
}

function until(condition: () => boolean): Promise<void> {
  return vi.waitUntil(condition, { timeout: 10_000, interval: 1 }).then(() => undefined);
}

interface SetupOptions extends Partial<StartLoopOptions<StartCall>> {
  /** Which calls are answered with 2xx by themselves; default: all. */
  readonly autoAnswer?: boolean | ((id: string) => boolean);
  readonly reportError?: (id: string) => Error | undefined;
  readonly callError?: Error;
}

/** An engine in memory whose claim leaves busy hosts out; the id of a task up to "-" is the name of its host. */
function setup({ autoAnswer = true, reportError, callError, ...options }: SetupOptions) {
  const waiting: string[] = [];
  const claims: [number, readonly string[]][] = [];
  const called: string[] = [];
  const reports: [string, string][] = [];
  const errors: [string, unknown][] = [];
  const calling = new Map<string, (outcome: StartOutcome) => void>();
  const held = new Set<string>();
  const peaks = new Map<string, number>();
  const onCall = vi.fn<NonNullable<StartLoopOptions<StartCall>["onCall"]>>();
  let claimError: Error | undefined;
  let gate: { enter(): void; opened: Promise<boolean> } | undefined;

  const hostOf = (id: string): string => (id.includes(" ") ? "" : `${id.replace(/-.*/, "")}.example.com:8080`);
  const count = (key: string, now: number): void => void peaks.set(key, Math.max(peaks.get(key) ?? 0, now));
  const loop: StartLoop = createStartLoop<StartCall>({
    claim: async (max, busyHosts) => {
      claims.push([max, busyHosts]);
      if (claimError !== undefined) throw claimError;
      if (gate !== undefined) {
        const current = gate;
        gate = undefined;
        current.enter();
        if (!(await current.opened)) return [];
      }
      const ids = waiting.filter((id) => !busyHosts.includes(hostOf(id))).slice(0, max);
      for (const id of ids) waiting.splice(waiting.indexOf(id), 1);
      return ids.map((id) => {
        const url = id.includes(" ") ? id : `http://${hostOf(id)}/`;
        return { taskId: id, attempt: 1, handle: "", defaultBody: "{}", webhook: { url } };
      });
    },
    caller: {
      call: ({ taskId }, signal) => {
        held.add(taskId);
        called.push(taskId);
        count("all", held.size);
        const host = taskId.replace(/-.*/, "");
        count(host, [...held].filter((id) => id.startsWith(host)).length);
        if (callError !== undefined) return Promise.reject(callError);
        return new Promise((resolve, reject) => {
          const end = (outcome: StartOutcome): void => {
            calling.delete(taskId);
            resolve(outcome);
          };
          calling.set(taskId, end);
          signal.addEventListener("abort", () => {
            calling.delete(taskId);
            reject(signal.reason);
          });
          if (typeof autoAnswer === "function" ? autoAnswer(taskId) : autoAnswer) setImmediate(end, started);
        });
      },
    },
    report: async ({ taskId }, outcome) => {
      const error = reportError?.(taskId);
      if (error !== undefined) throw error;
      reports.push([taskId, outcome.kind]);
      held.delete(taskId);
    },
    concurrency: 8,
    onError: (error, during) => errors.push([during, error]),
    onCall,
    stopTimeoutMs: 50,
    ...options,
  });
  onTestFinished(async () => {
    if (!vi.isFakeTimers()) await loop.stop();
    else await Promise.all([loop.stop(), vi.advanceTimersByTimeAsync(5000)]);
  });
  return {
    loop,
    waiting,
    claims,
    called,
    reports,
    errors,
    calling,
    onCall,
    peak: () => peaks.get("all") ?? 0,
    peakOf: (host: string) => peaks.get(host) ?? 0,
    add: (...ids: string[]) => void waiting.push(...ids),
    answer: (id: string, outcome: StartOutcome) => calling.get(id)?.(outcome),
    failClaims: (error: Error | undefined) => {
      claimError = error;
    },
    /** Holds the next claim before it looks: `open` lets it go on, `openEmpty` makes it find nothing. */
    holdNextClaim: () => {
      const entered = Promise.withResolvers<void>();
      const opened = Promise.withResolvers<boolean>();
      gate = { enter: entered.resolve, opened: opened.promise };
      return { entered: entered.promise, open: () => opened.resolve(true), openEmpty: () => opened.resolve(false) };
    },
  };
}
