import { type DescMessage, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { CreateTasksRequestSchema, UpdateTaskRequestSchema } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { createMessagePlans } from "../../src/wire/message-plan.ts";
import { jsonValuesMax, scanJson } from "../../src/wire/scan-json.ts";
import { arbitraryMessage } from "../support/arbitrary-message.ts";
import { boundedMap } from "../support/bounded-map.ts";

const planOf = createMessagePlans();

/** What a scan says; undefined: nothing. */
function refusal(desc: DescMessage, json: string): string | undefined {
  try {
    scanJson(planOf(desc), Buffer.from(json));
    return undefined;
  } catch (error) {
    if (!(error instanceof MillpondError)) throw error;
    return `${error.reason} ${error.message}`;
  }
}

const list = (item: string, items: number) => `[${Array.from({ length: items }, () => item).join()}]`;
const tooMany = (path: string, max: number) => `INVALID_FIELD ${path}: must contain no more than ${max} item(s)`;
const tooLarge = `LIMIT_EXCEEDED the message has more than ${jsonValuesMax} values in its JSON; send less at once`;

describe("lists that are longer than the contract allows are refused, by their path", () => {
  test.each<[string, string, string | undefined]>([
    ["as many as may be", `{"tasks":${list("{}", 10_000)}}`, undefined],
    ["one more", `{"tasks":${list("{}", 10_001)}}`, tooMany("tasks", 10_000)],
    ["of no messages", `{"tasks":${list("0", 10_001)}}`, tooMany("tasks", 10_000)],
    ["in a list", `{"tasks":[{},{"name":"a","rules":${list("{}", 21)}}]}`, tooMany("tasks[1].rules", 20)],
    [
      "behind texts with anything in them",
      `{"requestId":"\\"[,,{\\\\","tasks":${list("{}", 10_001)}}`,
      tooMany("tasks", 10_000),
    ],
    ["by their name in JSON", `{"tasks":[{"onSuccess":${list("{}", 21)}}]}`, tooMany("tasks[0].on_success", 20)],
    ["by their name in Protobuf", `{"tasks":[{"on_success":${list("{}", 21)}}]}`, tooMany("tasks[0].on_success", 20)],
    ["by a name with escapes", `{"\\u0074asks":${list("{}", 10_001)}}`, tooMany("tasks", 10_000)],
    [
      "after other lists and objects",
      `{ "tasks" : [ {"input":[[],{"rules":[]}], "metadata":{"rules":{}}, "rules" : ${list(" { } ", 21)} } ] }`,
      tooMany("tasks[0].rules", 20),
    ],
    [
      "not those of input",
      `{"tasks":[{"input":{"rules":${list("{}", 50)}},"metadata":{"rules":${list("{}", 50)}}}]}`,
      undefined,
    ],
    ["behind a byte order mark", `\ufeff{"tasks":${list("{}", 10_001)}}`, tooMany("tasks", 10_000)],
  ])("%s", (_name, json, expected) => {
    expect(refusal(CreateTasksRequestSchema, json)).toBe(expected);
  });

  test("in a message of which there is one", () => {
    expect(refusal(UpdateTaskRequestSchema, `{"task":{"rules":${list("{}", 21)}}}`)).toBe(tooMany("task.rules", 20));
  });
});

test("lists within the values of maps are refused by their keys", () => {
  const refused = 'INVALID_FIELD by_name["a \\"b\\""].items: must contain no more than 2 item(s)';
  expect(refusal(boundedMap(), '{"byName":{"c":{"items":[1,2]},"a \\"b\\"":{"items":[1,2,3]}}}')).toBe(refused);
  expect(refusal(boundedMap(), '{"byName":{"c":{"items":[1,2]},"items":{"items":[1,2]}}}')).toBeUndefined();
});

test("values are bounded together", () => {
  const input = (items: number) => `{"tasks":[{"input":[${"0,".repeat(items)}0]}]}`;
  expect(refusal(CreateTasksRequestSchema, input(jsonValuesMax - 4))).toBeUndefined();
  expect(refusal(CreateTasksRequestSchema, input(jsonValuesMax - 3))).toBe(tooLarge);
});

test("what is nested too deep is refused in the decoder's words", () => {
  const deep = (levels: number) => `{"tasks":[{"input":${'{"a":'.repeat(levels)}0${"}".repeat(levels)}}]}`;
  expect(refusal(CreateTasksRequestSchema, deep(900))).toBeUndefined();
  expect(() => fromJsonString(CreateTasksRequestSchema, deep(900))).toThrow(/maximum recursion depth of 100 reached/);
  expect(refusal(CreateTasksRequestSchema, deep(3_000_000))).toMatch(
    /^INVALID_FIELD .* maximum recursion depth of 100 reached$/,
  );
});

test.each([
  "",
  "]}]",
  '{"tasks',
  '{"tasks":[{',
  '{"tasks\\',
  "[[,,",
  '{"tasks":{"a":[1,2]}}',
  "null",
  '"',
  "{]}[",
  '{"\\x":1}',
])("what is not of the type, or no JSON, is left to the parser: %s", (json) => {
  expect(refusal(CreateTasksRequestSchema, json)).toBeUndefined();
});

test("messages within their bounds pass", () => {
  fc.assert(
    fc.property(arbitraryMessage(CreateTasksRequestSchema), (message) => {
      let json: string;
      try {
        json = toJsonString(CreateTasksRequestSchema, message);
      } catch {
        return;
      }
      const said = refusal(CreateTasksRequestSchema, json);
      if (said !== undefined) expect(said).toMatch(/^INVALID_FIELD .*: must contain no more than \d+ item\(s\)$/);
    }),
    { numRuns: 300 },
  );
});
