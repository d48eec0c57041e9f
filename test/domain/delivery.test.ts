import { describe, expect, it } from "vitest";
import { type DeliveryOutcome, DeliveryState, deliveryBudget, deliveryResult } from "../../src/domain/delivery.ts";

const hourMicros = 3600 * 1_000_000;
const failed: DeliveryOutcome = { kind: "failed", status: 503, message: "answered 503" };

function taken(attemptCount: number, more: { fence?: number; ageHours?: number } = {}) {
  const { fence = attemptCount, ageHours = 0 } = more;
  return { id: 7n, fence, attemptCount, createTime: 0, attemptTime: ageHours * hourMicros };
}

describe("the result of an attempt to deliver", () => {
  it("is DELIVERED for 2xx", () => {
    expect(deliveryResult(taken(3), { kind: "delivered", status: 204 }, 0.5)).toEqual({
      ...{ id: 7n, fence: 3, state: DeliveryState.DELIVERED, delayMs: 0, statusCode: 204, error: null },
    });
  });

  it("waits twice as long after each failure, from a second to ten minutes, half of it by chance", () => {
    const delays = (chance: number) =>
      Array.from({ length: 19 }, (_, n) => deliveryResult(taken(n + 1), failed, chance).delayMs / 1000);
    expect(delays(0).slice(0, 5)).toEqual([1, 2, 4, 8, 16]);
    expect(delays(1).slice(0, 5)).toEqual([2, 4, 8, 16, 32]);
    expect(delays(0).at(-1)).toBe(300);
    expect(delays(1).at(-1)).toBe(600);
  });

  it("leaves a receiver alone for as long as it asks, at most an hour", () => {
    const asked = (retryAfterMs: number) => deliveryResult(taken(1), { ...failed, retryAfterMs }, 0).delayMs;
    expect([asked(0), asked(30_000), asked(86_400_000)]).toEqual([1000, 30_000, 3_600_000]);
  });

  it("is EXHAUSTED with the last attempt of the budget, or beyond its age", () => {
    const state = (...args: Parameters<typeof taken>) => deliveryResult(taken(...args), failed, 0).state;
    expect(state(deliveryBudget.attempts - 1)).toBe(DeliveryState.PENDING);
    expect(state(deliveryBudget.attempts)).toBe(DeliveryState.EXHAUSTED);
    expect(state(2, { ageHours: 23 })).toBe(DeliveryState.PENDING);
    expect(state(2, { ageHours: 24 })).toBe(DeliveryState.EXHAUSTED);
  });

  it("counts attempts only after a replay, whatever its age", () => {
    expect(deliveryResult(taken(1, { fence: 21, ageHours: 100 }), failed, 0).state).toBe(DeliveryState.PENDING);
    expect(deliveryResult(taken(20, { fence: 40, ageHours: 100 }), failed, 0).state).toBe(DeliveryState.EXHAUSTED);
  });

  it("is EXHAUSTED at once where the call was refused", () => {
    const refused: DeliveryOutcome = { kind: "refused", status: 410, message: "answered 410" };
    const result = deliveryResult(taken(1), refused, 0);
    expect(result).toMatchObject({ state: DeliveryState.EXHAUSTED, statusCode: 410, error: "answered 410" });
  });

  it("keeps an error that PostgreSQL takes, cut to its bound", () => {
    const message = `\0${"x".repeat(5000)}`;
    const { error } = deliveryResult(taken(1), { kind: "failed", status: 0, message }, 0);
    expect(error).toBe(`\ufffd${"x".repeat(999)}`);
  });
});
