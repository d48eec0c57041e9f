import { type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { NewTaskSchema } from "../../src/gen/millpond/v1/task_pb.ts";
import {
  CreateTasksRequestSchema,
  ListTasksRequestSchema,
  UpdateTaskRequestSchema,
} from "../../src/gen/millpond/v1/task_service_pb.ts";
import { WorkerReportsSchema, WorkRequestSchema } from "../../src/gen/millpond/v1/worker_service_pb.ts";
import { createMessagePlans } from "../../src/wire/message-plan.ts";
import { embeddedMessagesMax, scanMessage } from "../../src/wire/scan-message.ts";
import { arbitraryMessage } from "../support/arbitrary-message.ts";
import { boundedMap } from "../support/bounded-map.ts";
import { encodedField, repeated, varint } from "../support/encoded-fields.ts";

const planOf = createMessagePlans();

/** What a scan says; undefined: nothing. */
function refusal(desc: DescMessage, ...parts: readonly Uint8Array[]): string | undefined {
  try {
    scanMessage(planOf(desc), Buffer.concat(parts));
    return undefined;
  } catch (error) {
    if (!(error instanceof MillpondError)) throw error;
    return `${error.reason} ${error.message}`;
  }
}

const task = (...fields: Uint8Array[]) => encodedField(4, Buffer.concat(fields));
const emptyTasks = (times: number) => repeated(task(), times);
const emptyRules = (times: number) => repeated(encodedField(16, Buffer.alloc(0)), times);
const tooMany = (path: string, max: number) => `INVALID_FIELD ${path}: must contain no more than ${max} item(s)`;
const tooLarge = `LIMIT_EXCEEDED the message has more than ${embeddedMessagesMax} messages within it; send less at once`;

describe("lists that are longer than the contract allows are refused, by their path", () => {
  const paths = "a/b";
  test.each<[string, DescMessage, readonly Uint8Array[], string | undefined]>([
    ["as many as may be", CreateTasksRequestSchema, [emptyTasks(10_000)], undefined],
    ["one more", CreateTasksRequestSchema, [emptyTasks(10_001)], tooMany("tasks", 10_000)],
    ["in a list", CreateTasksRequestSchema, [emptyTasks(3), task(emptyRules(21))], tooMany("tasks[3].rules", 20)],
    ["within its bounds in each", CreateTasksRequestSchema, repeatedTimes(task(emptyRules(20)), 100), undefined],
    ["of texts", ListTasksRequestSchema, textList(ListTasksRequestSchema, 1_000), "INVALID_FIELD"],
    [
      "of a task that is not there",
      CreateTasksRequestSchema,
      [repeated(encodedField(2, Buffer.from(paths)), 9)],
      undefined,
    ],
  ])("%s", (_name, desc, parts, expected) => {
    const said = refusal(desc, ...parts);
    if (expected === "INVALID_FIELD")
      expect(said).toMatch(/^INVALID_FIELD [\w.]+: must contain no more than \d+ item\(s\)$/);
    else expect(said).toBe(expected);
  });

  test("what comes in pieces adds up: a message of which there is one, and one of a oneof", () => {
    const { number } = UpdateTaskRequestSchema.field.task;
    const eleven = repeated(encodedField(18, Buffer.alloc(0)), 11);
    expect(refusal(UpdateTaskRequestSchema, encodedField(number, eleven))).toBeUndefined();
    expect(refusal(UpdateTaskRequestSchema, encodedField(number, eleven), encodedField(number, eleven))).toBe(
      tooMany("task.rules", 20),
    );
    const { reports, credit } = WorkRequestSchema.field;
    const some = encodedField(
      reports.number,
      repeated(encodedField(WorkerReportsSchema.field.reports.number, Buffer.alloc(0)), 600),
    );
    expect(refusal(WorkRequestSchema, some)).toBeUndefined();
    expect(refusal(WorkRequestSchema, some, some)).toBe(tooMany("reports.reports", 1_000));
    // Another member takes the place of the first, whose items are gone.
    expect(refusal(WorkRequestSchema, some, encodedField(credit.number, Buffer.alloc(0)), some)).toBe(undefined);
  });

  test("within the values of maps, by their keys", () => {
    const entry = (...items: number[][]) =>
      encodedField(
        1,
        Buffer.concat([
          encodedField(1, Buffer.from('a "b"')),
          ...items.map((some) => encodedField(2, encodedField(1, Buffer.from(some)))),
        ]),
      );
    expect(refusal(boundedMap(), entry([1, 2]), entry([1], [2]))).toBeUndefined();
    const refused = 'INVALID_FIELD by_name["a \\"b\\""].items: must contain no more than 2 item(s)';
    expect(refusal(boundedMap(), entry([1, 2, 3]))).toBe(refused);
    expect(refusal(boundedMap(), entry([1, 2], [3]))).toBe(refused);
  });

  test("packed, and in pieces, and each for itself", () => {
    const list = ListTasksRequestSchema.fields.find((field) => field.fieldKind === "list" && field.listKind === "enum");
    const { number } = list as { number: number };
    const max = itemsMaxOf(ListTasksRequestSchema, number);
    const packed = (items: number) => encodedField(number, repeated([1], items));
    const alone = (items: number) => repeated([number * 8, 1], items);
    expect(refusal(ListTasksRequestSchema, packed(max))).toBeUndefined();
    expect(refusal(ListTasksRequestSchema, packed(max + 1))).toBe(tooMany((list as { name: string }).name, max));
    expect(refusal(ListTasksRequestSchema, alone(max), packed(1))).toBe(tooMany((list as { name: string }).name, max));
  });
});

describe("what has no bound is bounded together", () => {
  const input = (value: Uint8Array) => task(encodedField(7, value));
  const values = (times: number) => input(encodedField(6, repeated(encodedField(1, Buffer.alloc(0)), times)));
  const members = (times: number) => task(encodedField(6, repeated(encodedField(1, Buffer.alloc(0)), times)));
  test("values of lists, members of objects, and unknown fields", () => {
    const many = embeddedMessagesMax;
    expect(refusal(CreateTasksRequestSchema, values(many - 3))).toBeUndefined();
    expect(refusal(CreateTasksRequestSchema, values(many - 2))).toBe(tooLarge);
    expect(refusal(CreateTasksRequestSchema, members(many - 2))).toBeUndefined();
    expect(refusal(CreateTasksRequestSchema, members(many - 1))).toBe(tooLarge);
    expect(refusal(CreateTasksRequestSchema, repeated([0xf8, 0x3f, 0], many))).toBeUndefined();
    expect(refusal(CreateTasksRequestSchema, repeated([0xf8, 0x3f, 0], many + 1))).toBe(tooLarge);
  });

  test("a message that comes again and again, and paths without a bound", () => {
    const { updateMask } = UpdateTaskRequestSchema.field;
    const again = repeated(encodedField(updateMask.number, Buffer.alloc(0)), embeddedMessagesMax + 1);
    expect(refusal(UpdateTaskRequestSchema, again)).toBe(tooLarge);
    const paths = encodedField(updateMask.number, repeated(encodedField(1, Buffer.alloc(0)), embeddedMessagesMax));
    expect(refusal(UpdateTaskRequestSchema, paths)).toBe(tooLarge);
  });
});

describe("what an encoder would not write is followed as the decoder follows it", () => {
  const tasks = emptyTasks(10_001);
  const refused = tooMany("tasks", 10_000);
  test.each<[string, Uint8Array]>([
    ["an unknown group with groups in it", Buffer.from([0xfb, 0x3f, 0x0b, 0x0c, 0x08, 1, 0xfc, 0x3f])],
    [
      "unknown fields of each kind",
      Buffer.from([0xf8, 0x3f, 0xff, 1, 0xf9, 0x3f, 1, 2, 3, 4, 5, 6, 7, 8, 0xfd, 0x3f, 1, 2, 3, 4, 0xfa, 0x3f, 1, 9]),
    ],
    [
      "a number in more bytes than it takes",
      Buffer.from([0x28, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0]),
    ],
    [
      "a length in ten bytes, of which some do not count",
      Buffer.from([0x0a, 0x81, 0x80, 0x80, 0x80, 0xf0, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x41]),
    ],
    ["a text that says it is a number", Buffer.from([0x08, 1, 0x41])],
  ])("%s", (_name, before) => {
    expect(fromBinary(CreateTasksRequestSchema, Buffer.concat([before, tasks])).tasks).toHaveLength(10_001);
    expect(refusal(CreateTasksRequestSchema, before, tasks)).toBe(refused);
  });

  test("tasks that say they are numbers", () => {
    expect(refusal(CreateTasksRequestSchema, repeated([0x20, 0], 10_001))).toBe(refused);
  });

  test("lists are counted as the decoder fills them, whatever the bytes", () => {
    const lists = [16, 17, 21, 22, 23, 4] as const;
    const piece = fc.oneof(
      fc
        .constantFrom(...lists)
        .chain((number) =>
          fc.integer({ min: 0, max: 21 }).map((times) => repeated(encodedField(number, Buffer.alloc(0)), times)),
        ),
      fc
        .tuple(fc.nat(40), fc.nat(5), fc.uint8Array({ maxLength: 12 }))
        .map(([number, type, bytes]) => Buffer.concat([varint(number * 8 + type), bytes])),
      fc.uint8Array({ maxLength: 4 }),
      fc
        .tuple(fc.constantFrom(10, 13, 14, 6, 7, 18, 19), fc.uint8Array({ maxLength: 6 }))
        .map(([number, bytes]) => encodedField(number, bytes)),
    );
    let [over, within] = [0, 0];
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
        const bytes = Buffer.concat(pieces);
        let isOver: boolean;
        try {
          const { rules, dedupe, onSuccess, onFailure, onCancel } = fromBinary(NewTaskSchema, bytes);
          isOver = dedupe.length > 10 || [rules, onSuccess, onFailure, onCancel].some(({ length }) => length > 20);
        } catch {
          return;
        }
        if (isOver) over += 1;
        else within += 1;
        const said = refusal(NewTaskSchema, bytes);
        // Lists further in may be too long, too.
        if (isOver) expect(said).toMatch(/^INVALID_FIELD/);
        else expect(said ?? "").not.toMatch(/^INVALID_FIELD (rules|dedupe|on_success|on_failure|on_cancel):/);
      }),
      { numRuns: 5_000 },
    );
    expect(over).toBeGreaterThan(10);
    expect(within).toBeGreaterThan(500);
  });
});

test("what is malformed or nested too deep is left to the decoder", () => {
  expect(refusal(CreateTasksRequestSchema, Buffer.from([0x0c]), emptyTasks(10_001))).toBeUndefined();
  expect(refusal(CreateTasksRequestSchema, Buffer.from([0x0a, 0xff]), emptyTasks(0))).toBeUndefined();
  expect(refusal(CreateTasksRequestSchema, Buffer.from([0x07]), emptyTasks(10_001))).toBeUndefined();
  const groups = repeated([0xfb, 0x3f], 1_000_000);
  expect(refusal(CreateTasksRequestSchema, groups)).toBeUndefined();
  expect(() => fromBinary(CreateTasksRequestSchema, groups)).toThrow();
  let value: Uint8Array = Buffer.alloc(0);
  for (let level = 0; level < 10_000; level += 1) value = encodedField(6, encodedField(1, value));
  expect(refusal(CreateTasksRequestSchema, task(encodedField(7, value)))).toBeUndefined();
  expect(() => fromBinary(CreateTasksRequestSchema, task(encodedField(7, value)))).toThrow(/recursion/);
});

test("messages within their bounds pass", () => {
  fc.assert(
    fc.property(arbitraryMessage(CreateTasksRequestSchema), (message) => {
      const said = refusal(CreateTasksRequestSchema, toBinary(CreateTasksRequestSchema, message));
      if (said !== undefined) expect(said).toMatch(/^INVALID_FIELD .*: must contain no more than \d+ item\(s\)$/);
    }),
    { numRuns: 300 },
  );
});

function repeatedTimes(bytes: Uint8Array, times: number): Uint8Array[] {
  return Array.from({ length: times }, () => bytes);
}

/** A list of texts of a message, of so many. */
function textList(desc: DescMessage, items: number): Uint8Array[] {
  const list = desc.fields.find((field) => field.fieldKind === "list" && field.listKind === "scalar");
  return [repeated(encodedField(list?.number ?? 0, Buffer.from("a")), items)];
}

function itemsMaxOf(desc: DescMessage, number: number): number {
  return planOf(desc).byNumber[number]?.itemsMax ?? 0;
}
