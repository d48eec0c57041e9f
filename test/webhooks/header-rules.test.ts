import { describe, expect, it, test } from "vitest";
import { checkHeaders, headerBytesMax, reservedHeaders } from "../../src/webhooks/header-rules.ts";

describe("headers that a user may set", () => {
  test.each([
    [{}],
    [{ Authorization: "Bearer abc", "Content-Type": "text/plain", "User-Agent": "mine", "X-Task": "1" }],
    [{ "x-latin": "gr\u00fc\u00dfe\tund mehr", "x-empty": "" }],
  ])("%j", (headers) => {
    expect(checkHeaders(headers)).toBeUndefined();
  });
});

describe("headers that a user may not set", () => {
  test.each([
    "Host",
    "Content-Length",
    "TRANSFER-ENCODING",
    "connection",
    "Keep-Alive",
    "Proxy-Authorization",
    "Proxy-Connection",
    "Expect",
    "Upgrade",
    "TE",
    "Trailer",
    "Idempotency-Key",
    "X-Task-Id",
    "x-task-trigger",
    "X-TASK-ATTEMPT",
    "traceparent",
    "tracestate",
    "webhook-id",
    "Webhook-Timestamp",
    "webhook-signature",
  ])("%s", (name) => {
    expect(checkHeaders({ [name]: "1" })).toContain(`"${name}" may not be set`);
  });

  it("are kept in lower case", () => {
    for (const name of reservedHeaders) expect(name).toBe(name.toLowerCase());
  });
});

test.each([
  [{ "": "x" }, /valid header name/],
  [{ "a b": "x" }, /valid header name/],
  [{ "a:b": "x" }, /valid header name/],
  [{ ":path": "x" }, /valid header name/],
  [{ "a\r\nHost": "x" }, /valid header name/],
  [{ "a\n": "x" }, /valid header name/],
  [{ gr\u00fc\u00dfe: "x" }, /valid header name/],
  [{ a: "x\r\nHost: evil" }, /line break/],
  [{ a: "x\n" }, /line break/],
  [{ a: "\0" }, /control character/],
  [{ a: "\x7f" }, /control character/],
  [{ a: "€" }, /Latin-1/],
  [{ "X-A": "1", "x-a": "2" }, /given twice/],
  [{ a: "x".repeat(headerBytesMax) }, /more than 8192/],
])("malformed headers are refused: %j", (headers, reason) => {
  expect(checkHeaders(headers as Record<string, string>)).toMatch(reason);
});
