import { describe, expect, test } from "vitest";
import { type Figure, NotRun } from "../../bench/support/bench-case.ts";
import { type CaseResult, collectFigures } from "../../bench/support/bench-result.ts";
import { formatNumber, renderCase, renderReport } from "../../bench/support/report.ts";

const ours: Figure = { id: "ours", title: "ours", unit: "tasks/s", better: "more", against: ["limit", "peer"] };
const limit: Figure = { id: "limit", title: "a | limit", unit: "rows/s", better: "more" };
const peer: Figure = { id: "peer", title: "peer", unit: "jobs/s", better: "more" };

function tableOf(figures: readonly Figure[], measured: Parameters<typeof collectFigures>[1]): string[] {
  const result: CaseResult = {
    ...{ name: "case", title: "A case", about: "About it.", failure: undefined },
    figures: collectFigures(figures, measured),
  };
  return renderCase(result)
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .slice(2);
}

describe("the table of a case", () => {
  test("shows median and range, and the ratio of medians to every limit and peer of the run", () => {
    const rows = tableOf(
      [ours, limit, peer],
      [{ ours: 1_000 }, { limit: 4_000, peer: 500 }, { ours: 3_000 }, { limit: 5_000, peer: 500 }, { ours: 2_000 }],
    );
    expect(rows[0]).toBe("| ours | **2,000** (1,000–3,000) tasks/s | 0.444 × a \\| limit; 4 × peer |  |");
    expect(rows[1]).toBe("| a \\| limit | **4,500** (4,000–5,000) rows/s |  |  |");
  });

  test("says whether a bar is met, for what should be more and for what should be less", () => {
    const bar = { kind: "value", value: 3 } as const;
    const rows = tableOf(
      [
        { ...limit, id: "rate", title: "rate", bar },
        { id: "latency", title: "latency", unit: "ms", better: "less", bar },
        { id: "slow", title: "slow", unit: "ms", better: "less", bar },
      ],
      [{ rate: 6, latency: 1.5, slow: 30 }],
    );
    expect(rows[0]).toContain("≥ 3: met, 2 of it");
    expect(rows[1]).toContain("≤ 3: met, 0.5 of it");
    expect(rows[2]).toContain("≤ 3: missed, 10 of it");
  });

  test("takes bars from limits of the run", () => {
    const share = { kind: "share", of: "limit", times: 0.5 } as const;
    const rows = tableOf(
      [
        { ...ours, against: [], bar: share },
        { ...limit, title: "limit" },
      ],
      [{ ours: 60, limit: 100 }],
    );
    expect(rows[0]).toBe("| ours | **60** tasks/s |  | ≥ 50: met, 1.2 of it |");
  });

  test("shows a bar also as the ratio that it has to what it was set beside, and never in its place", () => {
    const bar = { kind: "value", value: 30_000, beside: [{ of: "peer", value: 60_000 }] } as const;
    const latency = { kind: "value", value: 5, beside: [{ of: "slower", value: 4 }] } as const;
    const rows = tableOf(
      [
        { ...ours, against: ["peer"], bar },
        peer,
        { id: "p99", title: "p99", unit: "ms", better: "less", bar: latency },
        { id: "slower", title: "slower", unit: "ms", better: "less" },
      ],
      [{ ours: 12_000, peer: 20_000, p99: 9, slower: 6 }],
    );
    expect(rows[0]).toBe(
      "| ours | **12,000** tasks/s | 0.6 × peer | ≥ 30,000: missed, 0.4 of it | ≥ 0.5 × peer, here 10,000: met, 1.2 of it |",
    );
    expect(rows[1]).toBe("| peer | **20,000** jobs/s |  |  |  |");
    expect(rows[2]).toContain("| ≤ 5: missed, 1.8 of it | ≤ 1.25 × slower, here 7.5: missed, 1.2 of it |");
  });

  test("quotes what was published of a reference that was not run, and says so", () => {
    const beside = [
      { of: "peer", value: 100 },
      { of: "limit", value: 1_000 },
    ];
    const rows = tableOf(
      [{ ...ours, bar: { kind: "value", value: 500, beside } }, { ...limit, title: "limit" }, peer],
      [{ ours: 250, peer: new NotRun("it is not here"), limit: 200 }],
    );
    expect(rows[0]).toBe(
      "| ours | **250** tasks/s | 1.25 × limit; 2.5 × peer: 100, published earlier, not from this run " +
        "| ≥ 500: missed, 0.5 of it | ≥ 5 × peer, which was not run; ≥ 0.5 × limit, here 100: met, 2.5 of it |",
    );
  });

  test("says what was not run and why, and tells no ratio to it", () => {
    const rows = tableOf([ours, limit, peer], [{ ours: 10, limit: 20, peer: new NotRun("go is not on PATH") }]);
    expect(rows[0]).toBe("| ours | **10** tasks/s | 0.5 × a \\| limit |  |");
    expect(rows[2]).toBe("| peer | not run: go is not on PATH |  |  |");
  });

  test("refuses a figure that is compared with one that the case does not have", () => {
    expect(() => tableOf([ours], [{ ours: 1 }])).toThrow('"limit"');
  });
});

test("a report says where, with which command and from which commit it comes", () => {
  const machine = { cores: 2, cpuModel: "CPU", memoryGib: 8, kernel: "Linux 6", node: "24.0.0", postgres: "18.4" };
  const text = renderReport({
    ...{ machine: { ...machine, loadBefore: 0.5 }, commit: "abc123", command: "npm run bench -- --runs 5" },
    ...{ date: "2026-01-02", runs: 5, quick: true, cases: [] },
  });
  expect(text).toContain("2 cores of CPU, 8 GiB of memory, Linux 6; load average before: 0.50");
  expect(text).toContain("Node 24.0.0, PostgreSQL 18.4");
  expect(text).toContain("commit: abc123");
  expect(text).toContain("`npm run bench -- --runs 5`");
  expect(text).toContain("2026-01-02; 5 runs of small sizes (`--quick`), not to quote");
  expect(text).toContain("The numbers of the bars come from another machine");
});

test("a case that ended early says so", () => {
  const result = { name: "case", title: "A case", about: "About it.", failure: "no\nluck", figures: [] };
  expect(renderCase(result)).toContain("**Ended early:** no luck");
});

test("numbers have three digits that count, or all of their whole part", () => {
  expect([0, 0.01234, 1.234, 12.34, 123.4, 1234.5, 1_234_567].map(formatNumber)).toEqual([
    ...["0", "0.0123", "1.23", "12.3", "123", "1,235", "1,234,567"],
  ]);
});
