import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { GroupMetrics, type MeasuredProcess } from "../../src/server/group-metrics.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Process extends MeasuredProcess {
  /** False: it hangs. */
  answers: boolean;
  readonly calls: Counter;
  readonly durations: Histogram;
}

function startProcess(group: GroupMetrics): Process {
  const registers = [new Registry()];
  const calls = new Counter({ name: "calls_total", help: "h", labelNames: ["code"], registers });
  const durations = new Histogram({ name: "duration_seconds", help: "h", buckets: [1], registers });
  new Gauge({ name: "open", help: "h", registers }).set(3);
  new Gauge({ name: "place", help: "h", aggregator: "min", registers }).set(7);
  const process: Process = {
    ...{ calls, durations, answers: true },
    ask: (request) => {
      if (!process.answers) return;
      void registers[0]?.getMetricsAsJSON().then((metrics) => group.told(process, request, metrics));
    },
  };
  return process;
}

const valuesOf = (text: string): string[] => text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));

test("figures of all processes are added up, or as each metric says", async () => {
  const group = new GroupMetrics();
  const [one, other] = [startProcess(group), startProcess(group)];
  one.calls.inc({ code: "OK" }, 2);
  other.calls.inc({ code: "OK" }, 3);
  other.calls.inc({ code: "INTERNAL" });
  one.durations.observe(0.5);
  other.durations.observe(2);
  expect(valuesOf(await group.collect([one, other]))).toEqual([
    'calls_total{code="OK"} 5',
    'calls_total{code="INTERNAL"} 1',
    'duration_seconds_bucket{le="1"} 1',
    'duration_seconds_bucket{le="+Inf"} 2',
    "duration_seconds_sum 2.5",
    "duration_seconds_count 2",
    "open 6",
    "place 7",
  ]);
});

test("a process that does not answer counts with what it told last, and nobody waits for it longer than a second", async () => {
  const group = new GroupMetrics();
  const [one, hung] = [startProcess(group), startProcess(group)];
  one.calls.inc({ code: "OK" });
  hung.calls.inc({ code: "OK" });
  await group.collect([one, hung]);
  hung.answers = false;
  one.calls.inc({ code: "OK" });
  const text = group.collect([one, hung]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(valuesOf(await text)).toContain('calls_total{code="OK"} 3');
});

test("what a process counted stays in the sums when it has ended, and nobody waits for it; what it held does not", async () => {
  const group = new GroupMetrics();
  const [one, dying, last] = [startProcess(group), startProcess(group), startProcess(group)];
  for (const { calls } of [one, dying, last]) calls.inc({ code: "OK" }, 10);
  await group.collect([one, dying, last]);
  dying.answers = false;
  const during = group.collect([one, dying, last]);
  group.ended(dying);
  expect(valuesOf(await during)).toContain('calls_total{code="OK"} 30');
  group.ended(last);
  const replaced = startProcess(group);
  replaced.calls.inc({ code: "OK" });
  const values = valuesOf(await group.collect([one, replaced]));
  expect(values).toContain('calls_total{code="OK"} 31');
  expect(values).toContain("open 6");
  expect(valuesOf(await group.collect([]))).toContain('calls_total{code="OK"} 20');
});
