import { stripVTControlCharacters } from "node:util";

const segmenter = new Intl.Segmenter();
/** East Asian wide and fullwidth characters, by block. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1b000}-\u{1b16f}\u{20000}-\u{3fffd}]/u;
const emoji = /\p{Emoji_Presentation}|\ufe0f/u;
const onlyMarks = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;
const plain = /^[\x20-\x7e]*$/;

/** printable makes a text from outside harmless to a terminal: without characters that steer it, on one line. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu, "?");
}

/** textWidth is how many columns of a terminal a printable text takes. */
export function textWidth(text: string): number {
  if (plain.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += characterWidth(segment);
  return width;
}

/**
 * fitted makes a text from outside fit a column: printable, of exactly so many columns, cut where it is wider, its end kept
 * before its start.
 */
export function fitted(text: string, width: number): string {
  const line = cut(text, width);
  return line + " ".repeat(Math.max(0, width - textWidth(line)));
}

/** cut is {@link fitted} without spaces behind it. */
export function cut(text: string, width: number): string {
  const line = printable(text);
  if (textWidth(line) <= width) return line;
  const characters = Array.from(segmenter.segment(line), ({ segment }) => segment);
  const startMax = Math.floor((width - 1) / 3);
  const start = take(characters, startMax);
  const end = take(characters.toReversed(), width - 1 - textWidth(start.join(""))).toReversed();
  return `${start.join("")}…${end.join("")}`;
}

function take(characters: readonly string[], width: number): string[] {
  let left = width;
  const taken: string[] = [];
  for (const character of characters) {
    left -= characterWidth(character);
    if (left < 0) break;
    taken.push(character);
  }
  return taken;
}

function characterWidth(character: string): number {
  if (onlyMarks.test(character)) return 0;
  return wide.test(character) || emoji.test(character) ? 2 : 1;
}
