import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonErrorPlace } from "../../src/cli/input/json-error-place.ts";

test.each([
  ["", "line 1, column 1"],
  ["{", "line 1, column 2"],
  ['{"a": 1,}', "line 1, column 9"],
  ['{"a" 1}', "line 1, column 6"],
  ['{\n  "a": [1, 2\n}', "line 3, column 1"],
  ["[1, 02]", "line 1, column 5"],
  ["[nul]", "line 1, column 2"],
  ['["é", "tab\there"]', "line 1, column 7"],
  ["{} {}", "line 1, column 4"],
  ["]", "line 1, column 1"],
])("the error in %j is at %s", (text, place) => {
  expect(jsonErrorPlace(text)).toBe(place);
});

test("what JSON.parse takes is read to its end", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (text) => {
      expect(jsonErrorPlace(text)).toBe(`line 1, column ${[...text].length + 1}`);
    }),
  );
});
