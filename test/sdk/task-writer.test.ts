import { create, fromJson, type JsonObject, type JsonValue, toBinary } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { type NewTask, NewTaskSchema, UploadTasksRequestSchema } from "@millpond/sdk";
import fc from "fast-check";
import { expect, test } from "vitest";
import { TasksWriter } from "../../sdk/typescript/src/task-writer.ts";
import { arbitraryMessage } from "../support/arbitrary-message.ts";

const text = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 50 }),
  fc.string({ unit: fc.constantFrom("a", "é", "𝒳", "\0", "\ud800"), minLength: 40, maxLength: 140 }),
);
const name = fc.oneof(text, fc.constantFrom("a", "1", "__proto__", ""));
const { json, object } = fc.letrec<{ json: JsonValue; object: JsonObject }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<JsonValue>(null, true, false, 0, -0, 1e21),
    fc.double(),
    text,
    fc.array(tie("json"), { maxLength: 4 }),
    tie("object"),
  ),
  object: fc.dictionary(name, tie("json"), { maxKeys: 5 }) as never,
}));
const plain = fc
  .record(
    {
      ...{ key: text, name: text, kind: text, metadata: object, unmetPolicy: fc.integer({ min: 0, max: 2 }) },
      ...{ priority: fc.oneof(fc.integer(), fc.constantFrom(-1, -(2 ** 31), 2 ** 31 - 1, 127, 128)), input: json },
      dependencies: fc.array(
        fc.record({
          condition: fc.nat(3),
          parent: fc.oneof(
            fc.record({ case: fc.constantFrom("key" as const, "taskId" as const), value: text }),
            fc.constant({ case: undefined }),
          ),
        }),
        { maxLength: 3 },
      ),
    },
    { requiredKeys: [] },
  )
  .map(({ input, ...fields }) => {
    const task = create(NewTaskSchema, fields as never);
    if (input !== undefined) task.input = fromJson(ValueSchema, input);
    return task;
  });

const library = (tasks: readonly NewTask[]) =>
  Buffer.from(toBinary(UploadTasksRequestSchema, create(UploadTasksRequestSchema, { tasks: [...tasks] })));

test.each([
  ["plain ones", plain],
  ["any", arbitraryMessage(NewTaskSchema, 1) as fc.Arbitrary<NewTask>],
])("tasks are written as the library writes them: %s", (_, task) => {
  fc.assert(
    fc.property(fc.array(task, { maxLength: 4 }), fc.nat(4), (given, split) => {
      const tasks = given.map((each) => create(NewTaskSchema, each));
      const writer = new TasksWriter();
      for (const each of tasks.slice(0, split)) writer.write(each);
      const first = writer.length;
      for (const each of tasks.slice(split)) writer.write(each);
      // What is behind stays when the first bytes are taken.
      const parts = [writer.take(first), writer.take(writer.length)];
      expect(writer.length).toBe(0);
      expect(Buffer.concat(parts)).toEqual(library(tasks));
    }),
    { numRuns: 400 },
  );
});

test("what is no JSON is written by the library, whatever it makes of it, and nothing else is left of it", () => {
  const writer = new TasksWriter();
  const tasks = [{ a: { b: [1, "c"] } }, { a: { b: [undefined as never] } }, {}].map((metadata, n) =>
    create(NewTaskSchema, { key: `${n}`, metadata }),
  );
  for (const task of tasks) writer.write(task);
  expect(Buffer.from(writer.take(writer.length))).toEqual(library(tasks));
});

test.each([
  ["a priority between two numbers", { priority: 1.5 }],
  ["a priority that is too large", { priority: 2 ** 31 }],
  ["a priority that is none", { priority: Number.NaN }],
  ["a policy that is none", { unmetPolicy: 1.5 as never }],
  ["a condition that is too large", { dependencies: [{ condition: 2 ** 40 }] }],
])("%s is refused as the library does, and not sent as another number", (_, fields) => {
  const writer = new TasksWriter();
  expect(() => writer.write(create(NewTaskSchema, fields))).toThrow(/invalid int32/);
  expect(writer.length).toBe(0);
});
