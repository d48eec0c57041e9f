import { BatchService, DeliveryService, EventService, TaskService, WorkerService } from "@millpond/sdk";
import { describe, expect, it, test } from "vitest";
import { AnswerLoser } from "../../sdk/conformance/harness/answer-loser.ts";
import { actionOf, readCases } from "../../sdk/conformance/harness/case-file.ts";
import { differences } from "../../sdk/conformance/harness/differences.ts";
import { Variables } from "../../sdk/conformance/harness/variables.ts";

describe("the cases", () => {
  const cases = readCases();
  const text = JSON.stringify(cases.map(({ steps }) => steps));

  it("are at least 60", () => expect(cases.length).toBeGreaterThanOrEqual(60));

  /** What the SDK's own layer calls where a case does not name the method. */
  const bySteps: Readonly<Record<string, string>> = { WatchEvents: '"watch":', UploadTasks: '"submit":"upload"' };

  it.each(
    [TaskService, BatchService, EventService, WorkerService, DeliveryService].flatMap(({ methods, name }) =>
      methods.map((method) => [`${name}/${method.name}`, method.name]),
    ),
  )("touch %s", (method, name) => {
    expect(text.includes(`"${method}"`) || text.includes(bySteps[name!] ?? "nothing of the sort")).toBe(true);
  });

  it("look at something", () => {
    for (const { name, steps } of cases) {
      const looks = steps.some(
        (step) => step.answers ?? step.fails ?? ["status", "received", "slowed"].includes(actionOf(step)),
      );
      expect(looks, name).toBe(true);
    }
  });
});

describe("differences", () => {
  test.each([
    [{ a: 1 }, { a: 1, b: 2 }],
    [
      [1, { a: "@any" }],
      [1, { a: 0 }],
    ],
    [{ a: "@absent" }, {}],
    [{ a: "@matches ^x.$" }, { a: "xy" }],
    [{ "@contains": [1, 3] }, [1, 2, 3]],
    [null, null],
  ])("finds none between %j and %j", (expected, actual) => expect(differences(expected, actual)).toEqual([]));

  test.each([
    [{ a: 1 }, {}, "a is nothing, not 1"],
    [{ a: { b: [1] } }, { a: { b: [1, 2] } }, "a.b is [1,2], not [1]"],
    [{ a: "@absent" }, { a: null }, 'a is null, not "@absent"'],
    [{ a: "@uuid" }, { a: "x" }, 'a is "x", not "@uuid"'],
    [[{ a: 1 }], [{ a: 2 }], "[0].a is 2, not 1"],
    [{ "@contains": [3, 1] }, [1, 2, 3], "it has no 1 in this place: [1,2,3]"],
    ["1", 1, 'it is 1, not "1"'],
  ])("tells %j from %j", (expected, actual, told) => expect(differences(expected, actual)).toEqual([told]));

  it("knows no other matcher", () => expect(() => differences("@anything", 1)).toThrow("@anything"));
});

describe("variables", () => {
  const variables = new Variables();
  variables.set("graph", { ids: { a: "7" }, count: 3 });

  it("are replaced whole, within texts and in keys", () => {
    expect(variables.fill({ "$graph.ids.a": ["$graph.count", `n$${"{graph.count}"}`, "$ 5"] })).toEqual({
      "7": [3, "n3", "$ 5"],
    });
  });

  it("that nobody has set are an error", () => {
    expect(() => variables.fill("$nobody.x")).toThrow("nobody");
    expect(() => variables.fill("$graph.ids.b")).toThrow('there is no "b"');
  });
});

it("a step begins with what it does", () => {
  expect(actionOf({ worker: "w", stream: false })).toBe("worker");
  expect(() => actionOf({ answers: 1, call: "x" })).toThrow('not with "answers"');
});

describe("an answer is lost", () => {
  const frame = (type: number, length: number) =>
    Buffer.concat([Buffer.from([0, 0, length, type, 0, 0, 0, 0, 1]), Buffer.alloc(length, 1)]);
  const [settings, data, headers] = [frame(4, 12), frame(0, 30), frame(1, 5)];

  it("once, where one begins, however the bytes are cut", () => {
    const bytes = Buffer.concat([settings, data, headers, data]);
    for (let size = 1; size <= bytes.length; size++) {
      const loser = new AnswerLoser();
      const breaks = loser.connection();
      loser.arm();
      const broken: number[] = [];
      for (let at = 0; at < bytes.length; at += size) if (breaks(bytes.subarray(at, at + size))) broken.push(at);
      expect(broken).toHaveLength(1);
      const begins = settings.length + data.length;
      // When its header is known.
      expect(broken[0]! <= begins + 9 && broken[0]! + size > begins).toBe(true);
    }
  });

  it("only when it is asked for", () => {
    const loser = new AnswerLoser();
    const breaks = loser.connection();
    expect(breaks(headers)).toBe(false);
    loser.arm();
    expect([breaks(settings), breaks(headers), breaks(headers)]).toEqual([false, true, false]);
  });
});
