/** WebhookAnswer is what came back for a call. */
export interface WebhookAnswer {
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly location: string | undefined;
  /** What arrived of the body, up to the bound. */
  readonly body: Uint8Array;
  /** False if the body was longer than the bound, stalled or broke off. */
  readonly complete: boolean;
}

/** The longest delay that a Retry-After header is believed: 24 h. */
export const retryAfterMsMax = 24 * 60 * 60 * 1000;

/** parseRetryAfter reads Retry-After (RFC 9110, 10.2.3): seconds or a date; undefined if it is absent or malformed. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? "";
  const isDate = /^[A-Za-z]{3,9},? /.test(text);
  const delayMs = /^\d+$/.test(text) ? Number(text) * 1000 : isDate ? Date.parse(text) - nowMs : Number.NaN;
  return Number.isNaN(delayMs) ? undefined : Math.min(Math.max(delayMs, 0), retryAfterMsMax);
}

/** describeAnswer says in one short line what was answered instead of 2xx. */
export function describeAnswer({ status, location, body }: WebhookAnswer): string {
  if (status >= 300 && status < 400) {
    const target = location === undefined ? "" : ` to ${printable(location)}`;
    return `answered ${status}, a redirect${target}; redirects are not followed`;
  }
  const text = printable(new TextDecoder().decode(body));
  return text === "" ? `answered ${status}` : `answered ${status}: ${text}`;
}

/** One line of at most 200 characters that a log, a terminal and PostgreSQL (which knows no NUL) take as it is. */
function printable(text: string): string {
  const line = text
    .slice(0, 2000)
    .replace(/[\p{Cc}\p{Cf}\p{Z}]+/gu, " ")
    .trim();
  return (line.length > 200 ? `${line.slice(0, 200)}…` : line).toWellFormed();
}
