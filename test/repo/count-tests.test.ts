import { describe, expect, it } from "vitest";
import { countTests } from "../../tools/count-tests.ts";

const report = (change: object) =>
  JSON.stringify({
    numPassedTests: 5,
    numFailedTests: 0,
    numPendingTests: 2,
    numTodoTests: 1,
    testResults: [{ status: "passed", assertionResults: [{ status: "passed" }] }],
    ...change,
  });

describe("the closing line of CI", () => {
  it("counts tests that wait and tests still to be written as skipped", () => {
    expect(countTests(report({}))).toEqual({ passed: 5, failed: 0, skipped: 3 });
  });

  it("counts a failing test once, not again for its file", () => {
    const testResults = [{ status: "failed", assertionResults: [{ status: "failed" }, { status: "passed" }] }];
    expect(countTests(report({ numFailedTests: 1, testResults }))).toMatchObject({ failed: 1 });
  });

  it("counts a file that does not load as a failure", () => {
    expect(countTests(report({ testResults: [{ status: "failed", assertionResults: [] }] }))).toMatchObject({
      failed: 1,
    });
  });

  it("counts a run that left no report as a failure", () => {
    expect(countTests(undefined)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });
});
