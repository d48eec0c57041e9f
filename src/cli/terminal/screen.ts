import { styleText } from "node:util";

/** Style is a colour or another way to set off a text. */
export type Style = Parameters<typeof styleText>[0];

/** Screen is where a command writes for people: a terminal, whose lines can be redrawn, or a file or pipe. */
export interface Screen {
  readonly isTerminal: boolean;
  readonly hasColours: boolean;
  /** For what is drawn. */
  readonly columns: number;
  readonly rows: number;
  /** How wide a line may be: as the terminal, however narrow. A file or pipe takes every width. */
  readonly width: number;
  /** Writes a line below what is drawn. */
  line(text: string): void;
  /** Replaces what was drawn last. Only on a terminal. */
  draw(lines: readonly string[]): void;
  /** Leaves what was drawn last as it stands, and shows the terminal's cursor again. */
  finishDrawing(): void;
}

const csi = "\u001b[";
const hideCursor = `${csi}?25l`;
const showCursor = `${csi}?25h`;
const clearBelow = `${csi}0J`;

/** Lines that are drawn must not wrap; on a narrower terminal nothing is drawn. */
const columnsMin = 60;

/** openScreen makes a screen of a stream. Colours need a terminal and no `NO_COLOR`. */
export function openScreen(stream: NodeJS.WriteStream): Screen {
  const canBeSteered = stream.isTTY === true && process.env.TERM !== "dumb";
  const isTerminal = canBeSteered && stream.columns >= columnsMin;
  let drawn = 0;
  const erase = () => (drawn > 0 ? `\r${csi}${drawn}A${clearBelow}` : "");
  return {
    isTerminal,
    hasColours: canBeSteered && stream.hasColors(),
    get columns() {
      return isTerminal ? Math.max(columnsMin, stream.columns) : 100;
    },
    get rows() {
      return isTerminal ? Math.max(10, stream.rows) : 24;
    },
    get width() {
      return stream.isTTY === true && stream.columns > 0 ? stream.columns : Number.POSITIVE_INFINITY;
    },
    line(text) {
      stream.write(`${erase()}${text}\n`);
      drawn = 0;
    },
    draw(lines) {
      stream.write(`${hideCursor}${erase()}${lines.map((line) => `${line}\n`).join("")}`);
      drawn = lines.length;
    },
    finishDrawing() {
      if (isTerminal) stream.write(showCursor);
      drawn = 0;
    },
  };
}

/** styled colours a text where the screen has colours. */
export function styled(screen: Pick<Screen, "hasColours">, style: Style, text: string): string {
  return screen.hasColours ? styleText(style, text, { validateStream: false }) : text;
}
