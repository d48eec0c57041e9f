import { Webhook } from "standardwebhooks";
import { describe, expect, it } from "vitest";
import { secretText } from "../../src/domain/webhook-secret.ts";
import { signatureHeaders } from "../../src/webhooks/signature.ts";

const [current, previous, other] = [1, 2, 3].map((byte) => Buffer.alloc(32, byte)) as [Buffer, Buffer, Buffer];
const body = '{"name":"Zoë","n":1.50}';

/** As a receiver does that uses the library of Standard Webhooks. */
function verify(secret: Buffer, headers: Record<string, string>, text = body): unknown {
  return new Webhook(secretText(secret)).verify(text, headers);
}

describe("a signature", () => {
  const sign = (secrets: Buffer[], nowMs = Date.now(), text: string | null = body) =>
    signatureHeaders({ id: "msg-1", secrets, nowMs }, text);

  it("is one that the library of Standard Webhooks verifies, with either of two secrets", () => {
    const headers = sign([current, previous]);
    expect(headers["webhook-id"]).toBe("msg-1");
    expect(headers["webhook-signature"]).toMatch(/^v1,\S{44} v1,\S{44}$/);
    expect(verify(current, headers)).toEqual({ name: "Zoë", n: 1.5 });
    expect(verify(previous, headers)).toEqual({ name: "Zoë", n: 1.5 });
  });

  it("does not fit another secret, body, id or time", () => {
    const headers = sign([current]);
    expect(() => verify(other, headers)).toThrow("No matching signature");
    expect(() => verify(current, headers, body.replace("1.50", "1.5"))).toThrow("No matching signature");
    expect(() => verify(current, { ...headers, "webhook-id": "msg-2" })).toThrow("No matching signature");
    expect(() => verify(current, sign([current], Date.now() - 3_600_000))).toThrow("too old");
  });

  it("of a call without a body is that of an empty one", () => {
    expect(sign([current], 5_000, null)).toEqual(sign([current], 5_000, ""));
    expect(sign([current], 5_999, null)["webhook-timestamp"]).toBe("5");
  });
});
