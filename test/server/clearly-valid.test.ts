import { create, type DescMessage } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BatchService } from "../../src/gen/millpond/v1/batch_service_pb.ts";
import { DeliveryService } from "../../src/gen/millpond/v1/delivery_service_pb.ts";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { RuleSchema } from "../../src/gen/millpond/v1/rule_pb.ts";
import {
  CreateTasksRequestSchema,
  GetTaskRequestSchema,
  ReportTasksRequestSchema,
  TaskService,
} from "../../src/gen/millpond/v1/task_service_pb.ts";
import { ClaimTasksRequestSchema, WorkerService } from "../../src/gen/millpond/v1/worker_service_pb.ts";
import { createClearlyValid } from "../../src/server/clearly-valid.ts";
import { arbitraryMessage } from "../support/arbitrary-message.ts";

const validator = createValidator();
const isClearlyValid = createClearlyValid();
const uuid = "0190f5a0-1111-7222-8333-444455556666";

/** Requests, and the messages in them: a message of many parts is seldom valid as a whole when it is drawn at random. */
const messages = new Set<DescMessage>();
const add = (desc: DescMessage): void => {
  if (messages.has(desc) || desc.file.name.startsWith("google/")) return;
  messages.add(desc);
  for (const { message } of desc.fields) if (message !== undefined) add(message);
};
for (const { methods } of [TaskService, BatchService, EventService, WorkerService, DeliveryService])
  for (const { input } of methods) add(input);

/** Those that must have what keeps a rule which is not known: a pattern, or an expression. */
const neverClear = ["UpdateTaskRequest", "WatchEventsRequest", "ReplayDeliveriesRequest"];

describe("what is clearly valid is valid", () => {
  test.each([...messages].map((desc) => [desc.typeName.replace("millpond.v1.", ""), desc] as const))(
    "%s",
    (name, desc) => {
      let clear = 0;
      fc.assert(
        fc.property(arbitraryMessage(desc), (message) => {
          if (!isClearlyValid(desc, message)) return;
          clear += 1;
          expect(validator.validate(desc, message).kind).toBe("valid");
        }),
        { numRuns: 300 },
      );
      expect([name, clear > 0]).toEqual([name, !neverClear.includes(name)]);
    },
  );
});

test("of rules, each kind of limit is clearly valid where it is valid, with different fields and without any", () => {
  const field = fc.constantFrom("tenant", "tenant_id", "é", "x".repeat(255), "x".repeat(256), "");
  const matcher = fc.record({ kind: fc.constantFrom("k", ""), fields: fc.array(field, { maxLength: 11 }) });
  const window = fc.record({ seconds: fc.constantFrom(0n, 60n, 2_678_401n), nanos: fc.constantFrom(0, 1, 1_000_000) });
  const count = fc.integer({ min: 0, max: 2 });
  const limit = fc.oneof(
    count.map((value) => ({ case: "maxConcurrency" as const, value })),
    count.map((value) => ({ case: "maxCapacity" as const, value: BigInt(value) })),
    fc.record({ count, window }).map((value) => ({ case: "rate" as const, value })),
  );
  const clear = new Map<string, number>();
  fc.assert(
    fc.property(fc.record({ name: fc.constantFrom("", "n"), matcher, limit }), (init) => {
      const rule = create(RuleSchema, init as never);
      const isValid = validator.validate(RuleSchema, rule).kind === "valid";
      expect(isClearlyValid(RuleSchema, rule)).toBe(isValid);
      if (!isValid) return;
      const which = `${init.limit.case} ${Math.min(init.matcher.fields.length, 2)}`;
      clear.set(which, (clear.get(which) ?? 0) + 1);
    }),
    { numRuns: 3_000 },
  );
  expect(clear.size).toBe(9);
});

test("what is sent by the thousand is clearly valid", () => {
  const task = {
    ...{ key: "align", name: "align", kind: "bio.align", priority: 1000, unmetPolicy: 2, expectedCount: 0n },
    dependencies: [
      { parent: { case: "key" as const, value: "fetch" } },
      { parent: { case: "taskId" as const, value: uuid } },
    ],
    ...{
      metadata: { a: [1, { b: null }] },
      inactivityTimeout: { seconds: 60n },
      startTime: { seconds: 1_800_000_000n },
    },
    retry: { maxAttempts: 3, initialBackoff: { seconds: 1n }, multiplier: 1.5 },
    execution: { case: "worker" as const, value: { requiredLabels: { zone: "a" } } },
    onSuccess: [{ url: "https://example.com/", method: 2 }],
    rules: [
      {
        matcher: { kind: "bio.align", fields: ["tenant", "zone"] },
        limit: { case: "maxConcurrency" as const, value: 5 },
      },
      { matcher: { kind: "bio" }, limit: { case: "rate" as const, value: { count: 5, window: { seconds: 1n } } } },
    ],
    dedupe: [{ kind: "bio.align", statuses: [2], fields: ["tenant", "zone"] }],
  };
  const target = { case: "newBatch" as const, value: { name: "b", metadata: {} } };
  const creation = create(CreateTasksRequestSchema, {
    requestId: "r",
    target,
    tasks: Array(10_000).fill(task) as never,
  });
  expect(isClearlyValid(CreateTasksRequestSchema, creation)).toBe(true);
  const reports = [
    { taskId: uuid, attempt: 1, report: { case: "success" as const, value: {} } },
    {
      taskId: uuid,
      report: { case: "failure" as const, value: { message: "m", code: "c", retryDelay: { seconds: 1n } } },
    },
    { taskId: uuid, report: { case: "heartbeat" as const, value: {} }, addSuccessCount: 5n },
  ];
  const report = create(ReportTasksRequestSchema, { reports: reports as never, brief: true });
  expect(isClearlyValid(ReportTasksRequestSchema, report)).toBe(true);
  const claim = { workerId: "w", kinds: ["a"], labels: { zone: "a" }, maxTasks: 100, waitTimeout: { seconds: 30n } };
  expect(isClearlyValid(ClaimTasksRequestSchema, create(ClaimTasksRequestSchema, claim))).toBe(true);
  expect(isClearlyValid(GetTaskRequestSchema, create(GetTaskRequestSchema, { taskId: uuid }))).toBe(true);
});

test("what breaks a rule, or has one that is not known, is not clearly valid", () => {
  const of = (task: object) =>
    create(CreateTasksRequestSchema, { tasks: [{ name: "n", kind: "k", ...task }] as never });
  expect(isClearlyValid(CreateTasksRequestSchema, of({}))).toBe(true);
  for (const task of [
    ...[{ name: "" }, { kind: "k".repeat(101) }, { key: "a\0" }, { priority: 1001 }, { unmetPolicy: 3 }],
    ...[{ expectedCount: -1n }, { startTimeout: { seconds: 86_401n } }, { dependencies: [{}] }, { retry: {} }],
    ...[{ rules: [{ matcher: { kind: "k", fields: ["a", "b", "a"] }, limit: { case: "maxConcurrency", value: 1 } }] }],
    ...[{ dependencies: Array(10_001).fill({ parent: { case: "key", value: "x" } }) }],
    // A pattern.
    { onSuccess: [{ url: "https://example.com/", headers: { a: "b" } }] },
  ])
    expect(isClearlyValid(CreateTasksRequestSchema, of(task))).toBe(false);
});

test("of a list that many tasks share, which is frozen, it is known whether it is valid; of another one, or one that may change, nothing is", () => {
  const ruleFor = (kind: string) =>
    create(RuleSchema, { matcher: { kind }, limit: { case: "maxConcurrency", value: 1 } });
  const isValid = (rules: unknown) => {
    const request = create(CreateTasksRequestSchema, { tasks: [{ name: "n", kind: "k" }] });
    // Not by the library, which copies lists.
    Object.assign(request.tasks[0] as object, { rules });
    return isClearlyValid(CreateTasksRequestSchema, request);
  };
  const good = Object.freeze([ruleFor("k")]);
  const bad = Object.freeze([ruleFor("")]);
  const open = [ruleFor("k")];
  expect([isValid(good), isValid(bad), isValid(good), isValid(good), isValid(bad), isValid(open)]).toEqual([
    ...[true, false, true, true, false, true],
  ]);
  open.push(ruleFor(""));
  expect(isValid(open)).toBe(false);
});
