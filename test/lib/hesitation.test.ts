import { expect, test } from "vitest";
import { Hesitation } from "../../src/lib/hesitation.ts";

/** Which of so many times it asks, when each is refused. */
function asked(hesitation: Hesitation, times: number): number[] {
  const when: number[] = [];
  for (let n = 0; n < times; n += 1)
    if (hesitation.asks()) {
      when.push(n);
      hesitation.refused();
    }
  return when;
}

test("what is refused each time is asked for less and less often, but never too seldom", () => {
  expect(asked(new Hesitation(), 260)).toEqual([0, 1, 3, 7, 15, 31, 63, 127, 191, 255]);
});

test("what has been granted is asked for each time, until it is refused again", () => {
  const hesitation = new Hesitation();
  asked(hesitation, 100);
  hesitation.granted();
  expect(hesitation.asks()).toBe(true);
  hesitation.granted();
  expect(asked(hesitation, 8)).toEqual([0, 1, 3, 7]);
});
