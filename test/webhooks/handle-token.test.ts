import { describe, expect, it } from "vitest";
import { handleToken, handleUrl, isHandleToken } from "../../src/webhooks/handle-token.ts";

const secret = new Uint8Array(32).fill(7);
const key = { taskId: "0197f3a0-0000-7000-8000-000000000001", attempt: 2, secret };

describe("a handle's token", () => {
  it("opens its own attempt and no other task, attempt or secret", () => {
    const token = handleToken(key);
    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(isHandleToken(token, key)).toBe(true);
    expect(isHandleToken(token, { ...key, attempt: 1 })).toBe(false);
    expect(isHandleToken(token, { ...key, attempt: 22 })).toBe(false);
    expect(isHandleToken(token, { ...key, taskId: "0197f3a0-0000-7000-8000-000000000002" })).toBe(false);
    expect(isHandleToken(token, { ...key, secret: new Uint8Array(32).fill(8) })).toBe(false);
  });

  it("is refused with any character changed, cut off or added", () => {
    const token = handleToken(key);
    for (let index = 0; index < token.length; index++) {
      // The last character has two bits that decode to nothing: changing only those is refused too.
      for (const other of ["A", "B", "_", "=", "é"]) {
        if (token[index] === other) continue;
        expect(isHandleToken(token.slice(0, index) + other + token.slice(index + 1), key)).toBe(false);
      }
    }
    for (const other of ["", token.slice(1), token.slice(0, -1), `${token}=`, `${token}A`, ` ${token}`]) {
      expect(isHandleToken(other, key)).toBe(false);
    }
  });

  it("is not made from a short secret", () => {
    expect(() => handleToken({ ...key, secret: new Uint8Array(31) })).toThrow(/32 bytes/);
  });
});

describe("a handle's URL", () => {
  it("is under HOST_URL, with or without a path and a slash", () => {
    const path = `/task/${key.taskId}?attempt=2&token=${handleToken(key)}`;
    expect(handleUrl({ ...key, hostUrl: "https://m.example.com" })).toBe(`https://m.example.com${path}`);
    expect(handleUrl({ ...key, hostUrl: "https://m.example.com/" })).toBe(`https://m.example.com${path}`);
    expect(handleUrl({ ...key, hostUrl: "https://example.com/millpond" })).toBe(`https://example.com/millpond${path}`);
  });
});
