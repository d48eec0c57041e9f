import { stripVTControlCharacters } from "node:util";
import { TaskStatus } from "@millpond/sdk";
import { expect, test } from "vitest";
import { RunRecord } from "../../src/cli/run/run-record.ts";
import { countKinds, drawTable } from "../../src/cli/terminal/progress-table.ts";
import type { Screen } from "../../src/cli/terminal/screen.ts";
import { fitted } from "../../src/cli/terminal/text-width.ts";

const screen = (columns: number, rows: number, hasColours = false): Screen => ({
  isTerminal: true,
  hasColours,
  columns,
  rows,
  width: columns,
  line: () => {},
  draw: () => {},
  finishDrawing: () => {},
});

function recordOf(statuses: Record<string, TaskStatus[]>) {
  const tasks = Object.entries(statuses).flatMap(([kind, list]) =>
    list.map((status, index) => ({ id: `${kind}${index}`, name: "", kind, parents: [], runtimeSeconds: 0, status })),
  );
  const record = new RunRecord({ name: "w", source: "", tasks }, []);
  for (const { id, status } of tasks) record.tasks.get(id)!.status = status;
  return record;
}

const { WAITING, RUNNING, SUCCESS, CANCELED } = TaskStatus;

test("each kind has a line with its tasks by state, and the last line adds them up", () => {
  const kinds = countKinds(recordOf({ align: [SUCCESS, RUNNING, WAITING, CANCELED], sort: [WAITING] }));
  expect(drawTable(screen(71, 24), kinds, 1_234).map((line) => line.trimEnd())).toEqual([
    "",
    "align  ████████▒▒▒▒▒····     2/4      1 running    1 failed",
    "sort   ·················     0/1      waiting",
    "all    ██████▒▒▒▒·······     2/5      1 running    1 failed  1.2 s",
  ]);
});

test("no line is wider than the terminal, whatever the kinds are called", () => {
  const kinds = countKinds(
    recordOf({
      ["k".repeat(90)]: [...Array(4_000).fill(RUNNING), ...Array(4_000).fill(CANCELED)],
      "\u001b[31mé": [SUCCESS],
    }),
  );
  for (const columns of [60, 80, 200]) {
    for (const line of drawTable(screen(columns, 24, true), kinds, 100_000)) {
      expect([...stripVTControlCharacters(line)].length).toBeLessThanOrEqual(columns);
    }
  }
});

test("when not all kinds fit, those under way are shown", () => {
  const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`kind${i}`, [i === 25 ? RUNNING : SUCCESS]]));
  const lines = drawTable(screen(80, 14), countKinds(recordOf(many)), 0);
  expect(lines.length).toBeLessThan(14);
  expect(lines.some((line) => line.startsWith("kind25"))).toBe(true);
  expect(lines.at(-2)).toBe("and 22 more kinds");
});

test("a text from outside fits its column and cannot steer the terminal", () => {
  expect(fitted("abc", 5)).toBe("abc  ");
  expect(fitted("abcdefghij", 5)).toBe("a…hij");
  expect(fitted("a\u001b[2Jb\nc", 5)).toBe("ab?c ");
});
