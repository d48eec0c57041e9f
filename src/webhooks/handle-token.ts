import { strict as assert } from "node:assert";
import { createHmac, timingSafeEqual } from "node:crypto";

/** What a handle's token is made from: the attempt that it lets report, and the secret that the servers share. */
export interface HandleKey {
  readonly taskId: string;
  readonly attempt: number;
  /** At least 32 random bytes, the same on every server of a database. */
  readonly secret: Uint8Array;
}

/**
 * handleToken makes the capability to report for one attempt of one task: HMAC-SHA256 over `<task_id>:<attempt>`, in
 * base64url (43 characters). It says nothing of time; it dies because a report for another attempt is stale.
 */
export function handleToken({ taskId, attempt, secret }: HandleKey): string {
  assert(secret.length >= 32, "the handle secret must have at least 32 bytes");
  return createHmac("sha256", secret).update(`${taskId}:${attempt}`).digest("base64url");
}

/** isHandleToken tells, in constant time, whether a token belongs to the attempt. */
export function isHandleToken(token: string, key: HandleKey): boolean {
  // The text is compared, not what it decodes to: base64url has several spellings of the same bytes.
  const expected = Buffer.from(handleToken(key));
  const actual = Buffer.from(token);
  return actual.length === expected.length && timingSafeEqual(actual, expected);
}

/** handleUrl makes the address to which an executor reports: `<HOST_URL>/task/<task_id>?attempt=<n>&token=<token>`. */
export function handleUrl({ hostUrl, ...key }: HandleKey & { readonly hostUrl: string }): string {
  const base = hostUrl.replace(/\/+$/, "");
  return `${base}/task/${encodeURIComponent(key.taskId)}?attempt=${key.attempt}&token=${handleToken(key)}`;
}
