import { type Document, LineCounter, parseDocument, type YAMLError } from "yaml";
import { CommandFailure, exitCodes } from "../command-failure.ts";
import { jsonErrorPosition, jsonErrorText } from "../input/json-error-place.ts";

/** SourceText is a file of YAML or JSON, parsed, with the place of everything in it. */
export interface SourceText {
  /** As errors name it. */
  readonly name: string;
  readonly document: Document;
  /** Where an offset in the text is: `graph.yaml:12:3`. */
  place(offset: number): string;
}

/** Problem is something wrong with a file, and where. */
export interface Problem {
  readonly offset: number;
  readonly message: string;
}

const problemsMax = 10;
/** What to do about an error of the parser, where its message does not say it. */
const waysOut: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: "indent with spaces",
  BAD_INDENT: "items of one level begin in the same column",
  MULTIPLE_DOCS: "a file holds one graph; take out the ---",
};

/** parseSource parses the text of a file. Fails with a CommandFailure that says what is wrong in which line and column. */
export function parseSource(text: string, path: string): SourceText {
  const name = path === "-" ? "standard input" : path;
  if (path.toLowerCase().endsWith(".json")) refuseBadJson(text, name);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, strict: true });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  const source = { name, document, place };
  if (document.errors.length > 0) throw refusal(source, document.errors.map(problemOf));
  return source;
}

/** refusal is the failure of a command whose file is wrong: a line for each problem, the first ten. */
export function refusal({ name, place }: SourceText, problems: readonly Problem[]): CommandFailure {
  const sorted = [...problems].sort((a, b) => a.offset - b.offset);
  const shown = sorted.slice(0, problemsMax).map(({ offset, message }) => `\n  ${place(offset)}: ${message}`);
  const hidden = sorted.length - shown.length;
  const more = hidden > 0 ? `\n  and ${hidden} more` : "";
  return new CommandFailure(`${name} cannot be used:${shown.join("")}${more}`, exitCodes.misuse);
}

function problemOf({ pos, message, code }: YAMLError): Problem {
  const wayOut = waysOut[code];
  return { offset: pos[0], message: wayOut === undefined ? message : `${message}: ${wayOut}` };
}

/** Of what is meant to be JSON, JSON's own errors say more than those of YAML, which takes JSON too. */
function refuseBadJson(text: string, name: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    const { line, column } = jsonErrorPosition(text);
    throw new CommandFailure(
      `${name} cannot be used:\n  ${name}:${line}:${column}: it is no JSON: ${jsonErrorText(error)}`,
      exitCodes.misuse,
    );
  }
}
