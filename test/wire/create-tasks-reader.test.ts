import { create, equals, fromBinary, fromJson, type JsonValue, toBinary, toJson } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { MillpondError } from "../../src/domain/errors.ts";
import { createIdCodec } from "../../src/domain/ids.ts";
import { type NewTask, NewTaskSchema } from "../../src/gen/millpond/v1/task_pb.ts";
import { type CreateTasksRequest, CreateTasksRequestSchema } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { createCreateTasksReader, createTasksBytes } from "../../src/wire/create-tasks-reader.ts";
import { decodeNewTask } from "../../src/wire/new-task.ts";
import { ReadNewTask } from "../../src/wire/read-new-task.ts";
import { arbitraryMessage } from "../support/arbitrary-message.ts";

const ids = createIdCodec(77n);
const read = createCreateTasksReader();
const write = (request: CreateTasksRequest) => toBinary(CreateTasksRequestSchema, request);

/** Text with what JSON escapes, what is long in UTF-8, and a mark of byte order. */
const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 12 }),
  fc.string({ unit: fc.constantFrom("a", '"', "\\", "\n", "\u0001", "\u007f", "\u2028", "\ufeff", "é", "𝒳", "\0") }),
);
const name = fc.oneof(text, fc.constantFrom("a", "b", "1", "10", "__proto__", "toString", ""));
const { json } = fc.letrec<{ json: JsonValue; object: Record<string, JsonValue> }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<JsonValue>(null, true, false, 0, -0, 1e21, 5e-324, Number.MAX_VALUE),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    text,
    fc.array(tie("json"), { maxLength: 4 }),
    tie("object"),
  ),
  object: fc.dictionary(name, tie("json"), { maxKeys: 5 }),
}));
const object = fc.dictionary(name, json, { maxKeys: 5 });

const dependency = fc.record({
  parent: fc.oneof(
    text.map((value) => ({ case: "key" as const, value })),
    fc.constant({ case: "taskId" as const, value: "0190f5a0-1111-7222-8333-444455556666" }),
  ),
  condition: fc.integer({ min: 0, max: 3 }),
});
const limit = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 31 - 1, -1).map((value) => ({ case: "maxConcurrency" as const, value })),
  fc.constantFrom(0n, 1n, 2n ** 63n - 1n).map((value) => ({ case: "maxCapacity" as const, value })),
  fc.constantFrom(0n, 60n).map((seconds) => ({ case: "rate" as const, value: { count: 5, window: { seconds } } })),
  fc.constant({ case: "rate" as const, value: {} }),
  fc.constant({ case: undefined }),
);
const matcher = fc.record({ kind: text, fields: fc.array(fc.constantFrom("a", "b", "1", "é"), { maxLength: 3 }) });
const rule = fc.record({ name: text, matcher, limit }, { requiredKeys: [] });
/** Of few, so that many tasks have the same. */
const rules = fc.oneof(
  fc.array(rule, { maxLength: 3 }),
  fc.constantFrom(
    [{ matcher: { kind: "k", fields: ["a"] }, limit: { case: "maxConcurrency" as const, value: 1 } }],
    [
      { matcher: { kind: "k", fields: ["b", "a"] }, limit: { case: "maxCapacity" as const, value: 5n } },
      {
        name: "n",
        matcher: { kind: "é" },
        limit: { case: "rate" as const, value: { count: 1, window: { nanos: 1 } } },
      },
    ],
  ),
);
const plainTask = fc.record(
  {
    rules,
    ...{ key: text, name: text, kind: text, dependencies: fc.array(dependency, { maxLength: 3 }) },
    ...{ unmetPolicy: fc.integer({ min: 0, max: 2 }), metadata: object, priority: fc.integer({ min: -2, max: 1000 }) },
    ...{ expectedCount: fc.constantFrom(0n, 5n, -1n, 2n ** 53n, 2n ** 63n - 1n), critical: fc.boolean() },
    onlyForDependents: fc.boolean(),
  },
  { requiredKeys: [] },
);
const task = fc.tuple(plainTask, fc.option(json, { nil: undefined })).map(([fields, input]) => {
  const message = create(NewTaskSchema, fields as never);
  if (input !== undefined) message.input = fromJson(ValueSchema, input);
  return message;
});

/** What comes of a task: what is created, or why not. */
function outcome(message: NewTask): unknown {
  try {
    return decodeNewTask(message, "tasks[0]", ids);
  } catch (error) {
    return error instanceof MillpondError ? [error.reason, error.message, error.violations] : error;
  }
}

/** Whether the reader read it; then it is what the library reads. */
function isSame(bytes: Uint8Array): boolean {
  const own = read(bytes);
  if (own === undefined) return false;
  const library = fromBinary(CreateTasksRequestSchema, bytes);
  expect(Buffer.from(createTasksBytes(own))).toEqual(Buffer.from(write(library)));
  expect(own.tasks.map(outcome)).toEqual(library.tasks.map(outcome));
  expect(Buffer.from(write(own))).toEqual(Buffer.from(write(library)));
  // A number that is none is not equal to itself.
  const again = fromBinary(CreateTasksRequestSchema, bytes);
  expect(equals(CreateTasksRequestSchema, own, library)).toBe(equals(CreateTasksRequestSchema, again, library));
  const asJson = (request: CreateTasksRequest): unknown => {
    try {
      return toJson(CreateTasksRequestSchema, request);
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(asJson(own)).toEqual(asJson(library));
  return true;
}

describe("a request that the reader reads is what the library reads", () => {
  test("of any kind", () => {
    // Of each kind of target, and few tasks: a request may have thousands.
    const few = arbitraryMessage(CreateTasksRequestSchema).map(({ requestId, target, validateOnly }) => ({
      requestId,
      target,
      validateOnly,
    }));
    const tasks = fc.array(arbitraryMessage(NewTaskSchema, 1), { maxLength: 2 });
    fc.assert(
      fc.property(
        few,
        tasks,
        (request, given) => void isSame(write(create(CreateTasksRequestSchema, { ...request, tasks: given }))),
      ),
      { numRuns: 200 },
    );
  });

  test("with plain tasks, which are read", () => {
    const request = fc.record(
      { requestId: text, tasks: fc.array(task, { maxLength: 4 }), validateOnly: fc.boolean() },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(request, (init) => {
        expect(isSame(write(create(CreateTasksRequestSchema, init as never)))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("with bytes that are changed, cut or repeated", () => {
    const change = fc.record({
      at: fc.nat(),
      byte: fc.integer({ min: 0, max: 255 }),
      cut: fc.integer({ min: -20, max: 20 }),
    });
    let same = 0;
    fc.assert(
      fc.property(
        fc.array(task, { minLength: 1, maxLength: 2 }),
        fc.array(change, { maxLength: 2 }),
        (tasks, changes) => {
          let bytes = Buffer.from(write(create(CreateTasksRequestSchema, { requestId: "r", tasks })));
          for (const { at, byte, cut } of changes) {
            const place = at % bytes.length;
            if (cut > 10) bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + cut)]);
            else if (cut < -10)
              bytes = Buffer.concat([bytes.subarray(0, place), bytes.subarray(Math.max(place + cut, 0))]);
            else bytes[place] = byte;
            if (bytes.length === 0) bytes = Buffer.from([0]);
          }
          if (isSame(new Uint8Array(bytes))) same += 1;
        },
      ),
      { numRuns: 3_000 },
    );
    expect(same).toBeGreaterThan(100);
  });
});

describe("what is unusual is left to the library", () => {
  const inTask = (build: (writer: BinaryWriter) => void): Uint8Array => {
    const writer = new BinaryWriter().tag(4, WireType.LengthDelimited).fork();
    build(writer);
    return writer.join().finish();
  };
  const member = (writer: BinaryWriter, name: string, value: number) =>
    writer
      .tag(1, WireType.LengthDelimited)
      .fork()
      .tag(1, WireType.LengthDelimited)
      .string(name)
      .tag(2, WireType.LengthDelimited)
      .fork()
      .tag(2, WireType.Bit64)
      .double(value)
      .join()
      .join();
  const metadata = (...members: [string, number][]) =>
    inTask((writer) => {
      const struct = writer.tag(6, WireType.LengthDelimited).fork();
      for (const [name, value] of members) member(struct, name, value);
      struct.join();
    });

  test.each<[string, Uint8Array]>([
    [
      "a field twice",
      inTask((writer) =>
        writer.tag(2, WireType.LengthDelimited).string("a").tag(2, WireType.LengthDelimited).string("b"),
      ),
    ],
    [
      "fields in another order",
      inTask((writer) =>
        writer.tag(3, WireType.LengthDelimited).string("a").tag(2, WireType.LengthDelimited).string("b"),
      ),
    ],
    ["a default that is written", inTask((writer) => writer.tag(8, WireType.Varint).int32(0))],
    ["a negative priority", inTask((writer) => writer.tag(8, WireType.Varint).int32(-5))],
    ["a field that nobody knows", inTask((writer) => writer.tag(99, WireType.Varint).int32(5))],
    [
      "a number that takes more bytes than it must",
      inTask((writer) => writer.tag(8, WireType.Varint).raw(Uint8Array.of(0x85, 0x00))),
    ],
    ["a name that comes twice", metadata(["a", 1], ["b", 2], ["a", 3])],
    ["names that are numbers", metadata(["b", 1], ["2", 2], ["1", 3])],
    ["a prototype", metadata(["__proto__", 1])],
    ["a number without end", metadata(["a", Number.POSITIVE_INFINITY])],
    ["very many members", metadata(...Array.from({ length: 80 }, (_, n): [string, number] => [`m${n}`, n]))],
  ])("%s", (_, bytes) => {
    const request = read(bytes);
    expect(request?.tasks).toHaveLength(1);
    expect(request?.tasks[0]).not.toBeInstanceOf(ReadNewTask);
    expect(isSame(bytes)).toBe(true);
  });

  test("text that is not UTF-8 is refused by the library", () => {
    const bytes = inTask((writer) => writer.tag(2, WireType.LengthDelimited).bytes(Uint8Array.of(0xc3)));
    expect(read(bytes)).toBeUndefined();
    expect(() => fromBinary(CreateTasksRequestSchema, bytes)).toThrow();
  });
});

test("metadata and input of usual tasks are not decoded to be written as JSON", () => {
  const members = { project: "genomes", n: 1.5, tags: ["a", "é", null], deep: { a: { b: [true, {}] } } };
  const tasks = [{ key: "a", name: "a", kind: "k", metadata: members, input: fromJson(ValueSchema, members) }];
  const request = read(write(create(CreateTasksRequestSchema, { tasks })));
  const [given] = request?.tasks ?? [];
  expect(given).toBeInstanceOf(ReadNewTask);
  const { metadataText, inputText } = given as ReadNewTask;
  expect([metadataText, inputText]).toEqual([JSON.stringify(members), JSON.stringify(members)]);
});

describe("rules", () => {
  const rate = { case: "rate" as const, value: { count: 5, window: { seconds: 60n } } };
  const three = [
    { name: "one", matcher: { kind: "k", fields: ["b", "a"] }, limit: { case: "maxConcurrency" as const, value: 300 } },
    { matcher: { kind: "k" }, limit: { case: "maxCapacity" as const, value: 1n } },
    { matcher: { kind: "é", fields: ["a"] }, limit: rate },
  ];
  const requestWith = (...tasks: { rules: typeof three }[]) =>
    read(
      write(
        create(CreateTasksRequestSchema, {
          tasks: tasks.map((fields) => ({ name: "n", kind: "k", critical: true, ...fields })) as never,
        }),
      ),
    );

  test("that are the same are the same objects, which nobody can change", () => {
    const [first, second, third] =
      requestWith({ rules: three }, { rules: three }, { rules: three.slice(1) })?.tasks ?? [];
    const [later] = requestWith({ rules: three })?.tasks ?? [];
    expect(first).toBeInstanceOf(ReadNewTask);
    expect(first?.rules).toHaveLength(3);
    expect(second?.rules).toBe(first?.rules);
    expect(later?.rules).toBe(first?.rules);
    expect(third?.rules).toHaveLength(2);
    expect(() => first?.rules.pop()).toThrow(TypeError);
    expect(() => first?.rules[0]?.matcher?.fields.sort()).toThrow(TypeError);
    expect(() => Object.assign(first?.rules[2]?.limit.value as object, { count: 6 })).toThrow(TypeError);
  });

  test("are decoded once, with their specification, and metadata is read as text", () => {
    const task = { name: "n", kind: "k", metadata: { a: 1, b: "x" }, expectedCount: 1n, rules: three };
    const bytes = write(create(CreateTasksRequestSchema, { tasks: [task, task] as never }));
    const asLibrary = vi.spyOn(ReadNewTask.prototype, "asLibrary");
    const [first, second] = (read(bytes)?.tasks ?? []).map((message) => decodeNewTask(message, "tasks[0]", ids));
    expect(asLibrary).not.toHaveBeenCalled();
    asLibrary.mockRestore();
    expect(first).toMatchObject({
      ruleValues: '[1,"x"]',
      rules: [{ fields: ["a", "b"] }, { fields: [] }, { windowMs: 60_000 }],
    });
    expect(second?.rules).toBe(first?.rules);
    const [library] = fromBinary(CreateTasksRequestSchema, bytes).tasks;
    expect([first, second]).toEqual(Array(2).fill(decodeNewTask(library as NewTask, "tasks[0]", ids)));
  });

  test("are read by the library where it would write them in another way", () => {
    const bytes = (fields: (writer: BinaryWriter) => BinaryWriter) => {
      const writer = new BinaryWriter().tag(4, WireType.LengthDelimited).fork();
      fields(writer.tag(16, WireType.LengthDelimited).fork()).join();
      return writer.join().finish();
    };
    const ways = [
      bytes((writer) => writer.tag(3, WireType.Varint).int32(1).tag(1, WireType.LengthDelimited).string("n")),
      bytes((writer) => writer.tag(1, WireType.LengthDelimited).string("")),
      bytes((writer) => writer.tag(3, WireType.Varint).int32(1).tag(4, WireType.Varint).int64(1n)),
    ];
    for (const way of ways) {
      expect(read(way)?.tasks[0]).not.toBeInstanceOf(ReadNewTask);
      expect(isSame(way)).toBe(true);
    }
    const unknown = bytes((writer) => writer.tag(99, WireType.LengthDelimited).bytes(Uint8Array.of(1, 2)));
    expect(read(unknown)?.tasks[0]).toBeInstanceOf(ReadNewTask);
    expect(isSame(unknown)).toBe(true);
  });
});

test("what is too large is refused as when the library reads it", () => {
  const tasks = [{ name: "n", kind: "k", metadata: { a: "é".repeat(40_000) } }];
  const bytes = write(create(CreateTasksRequestSchema, { tasks }));
  expect(read(bytes)?.tasks[0]).toBeInstanceOf(ReadNewTask);
  expect(isSame(bytes)).toBe(true);
  expect(outcome(read(bytes)?.tasks[0] as NewTask)).toContain("INVALID_FIELD");
});
