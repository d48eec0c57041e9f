import { createHmac } from "node:crypto";

/** What a call is signed with. */
export interface Signing {
  /** The same in every attempt: receivers know a call that they have had by it. */
  readonly id: string;
  /** At least one; with more, receivers may know any. */
  readonly secrets: readonly Uint8Array[];
  readonly nowMs: number;
}

/**
 * signatureHeaders are the headers that Standard Webhooks (https://www.standardwebhooks.com, symmetric signatures) has receivers verify: HMAC-SHA256 of id,
 * time and body, one signature a secret. A call without a body is signed as one with an empty body.
 */
export function signatureHeaders({ id, secrets, nowMs }: Signing, body: string | null): Record<string, string> {
  const timestamp = String(Math.floor(nowMs / 1000));
  const signatures = secrets.map((secret) => {
    const hmac = createHmac("sha256", secret).update(`${id}.${timestamp}.${body ?? ""}`);
    return `v1,${hmac.digest("base64")}`;
  });
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signatures.join(" ") };
}
