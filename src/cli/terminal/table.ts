import { type Screen, type Style, styled } from "./screen.ts";
import { cut, fitted, printable, textWidth } from "./text-width.ts";

/** Column is one column of a table. */
export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row) => string;
  readonly style?: (row: Row) => Style | undefined;
  /** Numbers stand at the right. */
  readonly alignRight?: boolean;
  /** On a terminal that is too narrow its texts are cut, to so many columns at the least. Absent: never. */
  readonly cutTo?: number;
  /** On a terminal that is too narrow for that, too, columns are left out, the highest rank first. Absent: never. */
  readonly dropRank?: number;
}

const gap = "  ";

/** drawRows is a table as lines: as wide as its texts, on a terminal no wider than that. Columns that may be left out are where they say nothing. */
export function drawRows<Row>(
  screen: Pick<Screen, "width" | "hasColours">,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
): string[] {
  const texts = new Map(columns.map((column) => [column, rows.map((row) => printable(column.text(row)))]));
  const isTelling = (column: Column<Row>) =>
    column.dropRank === undefined || texts.get(column)?.some((text) => text !== "");
  const natural = new Map(
    columns
      .filter(isTelling)
      .map((column) => [
        column,
        Math.max(textWidth(column.title), ...(texts.get(column) ?? []).map((text) => textWidth(text))),
      ]),
  );
  const widths = widthsWithin(natural, screen.width);
  const shown = [...widths.keys()];
  const line = (cells: readonly string[]) => cells.join(gap).trimEnd();
  const header = shown.map((column) => aligned(column, column.title, widths.get(column) ?? 0));
  return [
    styled(screen, "bold", line(header)),
    ...rows.map((row, index) =>
      line(
        shown.map((column) => {
          const cell = aligned(column, texts.get(column)?.[index] ?? "", widths.get(column) ?? 0);
          const style = column.style?.(row);
          return style ? styled(screen, style, cell) : cell;
        }),
      ),
    ),
  ];
}

function aligned<Row>({ alignRight }: Column<Row>, text: string, width: number): string {
  return alignRight ? cut(text, width).padStart(width) : fitted(text, width);
}

/** The widths of the columns that are shown. */
function widthsWithin<Row>(natural: ReadonlyMap<Column<Row>, number>, width: number): Map<Column<Row>, number> {
  const widths = new Map(natural);
  const least = (column: Column<Row>) => Math.min(natural.get(column) ?? 0, column.cutTo ?? Number.POSITIVE_INFINITY);
  const total = (of: (column: Column<Row>) => number) =>
    [...widths.keys()].reduce((sum, column) => sum + of(column) + gap.length, -gap.length);
  while (total(least) > width) {
    const dropped = [...widths.keys()].sort((a, b) => (b.dropRank ?? 0) - (a.dropRank ?? 0))[0];
    if (dropped?.dropRank === undefined) break;
    widths.delete(dropped);
  }
  for (let excess = total((column) => widths.get(column) ?? 0) - width; excess > 0; excess--) {
    const cuttable = [...widths.keys()].filter((column) => (widths.get(column) ?? 0) > least(column));
    const widest = cuttable.sort((a, b) => (widths.get(b) ?? 0) - (widths.get(a) ?? 0))[0];
    if (widest === undefined) break;
    widths.set(widest, (widths.get(widest) ?? 0) - 1);
  }
  return widths;
}
