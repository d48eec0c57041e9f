import { stripVTControlCharacters } from "node:util";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { openScreen } from "../../src/cli/terminal/screen.ts";
import { type Column, drawRows } from "../../src/cli/terminal/table.ts";
import { textWidth } from "../../src/cli/terminal/text-width.ts";

interface Row {
  readonly id: string;
  readonly name: string;
  readonly note: string;
}

const columns: readonly Column<Row>[] = [
  { title: "ID", text: ({ id }) => id },
  { title: "NAME", text: ({ name }) => name, cutTo: 6, dropRank: 2, style: () => "green" },
  { title: "NOTE", text: ({ note }) => note, dropRank: 3 },
];
const rows: readonly Row[] = [
  { id: "0123456789", name: "a rather long name", note: "yes" },
  { id: "1", name: "雪だるま\u001b[2J", note: "" },
];
const draw = (width: number, hasColours = false) => drawRows({ width, hasColours }, columns, rows);

test("a table is as wide as its texts where there is room, as in a file", () => {
  expect(draw(Number.POSITIVE_INFINITY)).toEqual([
    "ID          NAME                NOTE",
    "0123456789  a rather long name  yes",
    "1           雪だるま",
  ]);
});

test("on a narrow terminal texts are cut, then columns left out, and ids never cut", () => {
  expect(draw(28)).toEqual(["ID          NAME        NOTE", "0123456789  a r…g name  yes", "1           雪だるま"]);
  expect(draw(20)).toEqual(["ID          NAME", "0123456789  a … name", "1           雪だるま"]);
  expect(draw(12)).toEqual(["ID", "0123456789", "1"]);
  for (let width = 10; width < 50; width++) {
    for (const line of draw(width, true)) expect(textWidth(stripVTControlCharacters(line))).toBeLessThanOrEqual(width);
  }
});

test("a column in which nothing stands is left out", () => {
  expect(drawRows({ width: 80, hasColours: false }, columns, [{ id: "1", name: "", note: "" }])).toEqual(["ID", "1"]);
});

afterEach(() => vi.unstubAllEnvs());

test("colours are for terminals, and not with NO_COLOR or on a dumb one", () => {
  const stream = (isTTY: boolean) =>
    ({ isTTY, columns: 80, rows: 24, hasColors: () => process.env.NO_COLOR === undefined }) as NodeJS.WriteStream;
  onTestFinished(() => void vi.unstubAllEnvs());
  const ordinary = (): void => void vi.stubEnv("NO_COLOR", undefined).stubEnv("TERM", "xterm");
  ordinary();
  expect(openScreen(stream(true))).toMatchObject({ hasColours: true, width: 80 });
  expect(openScreen(stream(false))).toMatchObject({ hasColours: false, width: Number.POSITIVE_INFINITY });
  vi.stubEnv("NO_COLOR", "1");
  expect(openScreen(stream(true)).hasColours).toBe(false);
  ordinary();
  vi.stubEnv("TERM", "dumb");
  expect(openScreen(stream(true)).hasColours).toBe(false);
});
