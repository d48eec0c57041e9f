import { expect, test } from "vitest";
import { FailureStreak } from "../../sdk/typescript/src/failure-streak.ts";

function setup() {
  const clock = { nowMs: 1_000 };
  return { clock, streak: new FailureStreak(() => clock.nowMs) };
}

test("streams that are welcomed and break at once are failures in a row", () => {
  const { clock, streak } = setup();
  const counted = [1, 2, 3, 4].map(() => {
    streak.welcomed();
    clock.nowMs += 4_999;
    streak.welcomed();
    return streak.ended();
  });
  expect(counted).toEqual([1, 2, 3, 4]);
});

test("a stream that goes on for 5 s after its welcome ends the streak", () => {
  const { clock, streak } = setup();
  streak.ended();
  streak.welcomed();
  clock.nowMs += 5_000;
  expect([streak.ended(), streak.ended()]).toEqual([1, 2]);
});

test("a stream that waits for its welcome for long does not end the streak", () => {
  const { clock, streak } = setup();
  streak.ended();
  clock.nowMs += 60_000;
  expect(streak.ended()).toBe(2);
});

test("what a stream is for ends the streak", () => {
  const { streak } = setup();
  streak.ended();
  streak.progressed();
  expect(streak.ended()).toBe(1);
});
