import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorReason, errorReason, fieldViolations } from "@millpond/sdk";

const violationsMax = 10;

/**
 * describeError says what went wrong in words for the person at the terminal: of a call, the server's message, its
 * reason and the fields that it refused.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof ConnectError)) return error instanceof Error ? error.message : String(error);
  const reason = errorReason(error);
  const name = reason === undefined ? Code[error.code] : ErrorReason[reason];
  const violations = fieldViolations(error).filter(({ description }) => !error.rawMessage.includes(description));
  const shown = violations.slice(0, violationsMax).map(({ field, description }) => `\n  ${field}: ${description}`);
  const hidden = violations.length - shown.length;
  return `${error.rawMessage} (${name})${shown.join("")}${hidden > 0 ? `\n  and ${hidden} more` : ""}`;
}
