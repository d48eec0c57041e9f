import { ConnectError } from "@connectrpc/connect";
import { type FieldViolation, fieldViolations } from "@millpond/sdk";
import type { CommandFailure } from "../command-failure.ts";
import { refusal, type SourceText } from "./source-text.ts";

/**
 * explainViolations says what a server's refusal of a request means for the file that the request was read from, with lines and
 * columns. `offsets` has where each field stands, by its path as servers name it. Undefined: the error is of another sort, or of what does
 * not stand in the file.
 */
export function explainViolations(
  error: unknown,
  source: SourceText,
  offsets: ReadonlyMap<string, number>,
): CommandFailure | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const violations = fieldViolations(error);
  const places = violations.map(({ field }) => nearest(field, offsets));
  if (places.every((offset) => offset === undefined)) return undefined;
  const messageOf = ({ field, description }: FieldViolation) =>
    // Of a single one, the message of the error says the way out, too.
    violations.length === 1 && error.rawMessage.startsWith(field) ? error.rawMessage : `${field}: ${description}`;
  return refusal(
    source,
    violations.map((each, index) => ({ offset: places[index] ?? 0, message: messageOf(each) })),
  );
}

/** Where a field stands, or else what holds it; undefined: the file has neither. */
function nearest(path: string, offsets: ReadonlyMap<string, number>): number | undefined {
  for (let at = path; at !== ""; at = at.slice(0, Math.max(0, ...[".", "["].map((sign) => at.lastIndexOf(sign))))) {
    const offset = offsets.get(at);
    if (offset !== undefined) return offset;
  }
  return undefined;
}
