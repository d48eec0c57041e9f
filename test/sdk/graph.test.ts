import { toJson } from "@bufbuild/protobuf";
import { CreateTasksRequestSchema, createGraph, onCompletion, onFailure } from "@millpond/sdk";
import { expect, test } from "vitest";

test("a graph becomes a request with plain JSON, milliseconds and references", () => {
  const graph = createGraph({ name: "sample 7", metadata: { tenant: "a" } });
  const fetch = graph.task("fetch", { kind: "download", input: { url: "s3://x" }, executionTimeoutMs: 1_500 });
  const align = graph.task("align", {
    kind: "bwa",
    name: "Align reads",
    after: [fetch, onCompletion("late")],
    expectedCount: 7,
    retry: { maxAttempts: 3, initialBackoffMs: 250 },
  });
  graph.task("late", { kind: "check", after: [onFailure({ taskId: "0197a1b2-0000-7000-8000-000000000001" })] });
  graph.task("done", { kind: "join", after: [align], execution: { case: "join", value: {} } });

  expect(graph.size).toBe(4);
  expect(toJson(CreateTasksRequestSchema, graph.toRequest())).toEqual({
    newBatch: { name: "sample 7", metadata: { tenant: "a" } },
    tasks: [
      { key: "fetch", name: "fetch", kind: "download", input: { url: "s3://x" }, executionTimeout: "1.500s" },
      {
        key: "align",
        name: "Align reads",
        kind: "bwa",
        dependencies: [{ key: "fetch" }, { key: "late", condition: "DEPENDENCY_CONDITION_COMPLETED" }],
        expectedCount: "7",
        retry: { maxAttempts: 3, initialBackoff: "0.250s" },
      },
      {
        key: "late",
        name: "late",
        kind: "check",
        dependencies: [{ taskId: "0197a1b2-0000-7000-8000-000000000001", condition: "DEPENDENCY_CONDITION_FAILURE" }],
      },
      { key: "done", name: "done", kind: "join", dependencies: [{ key: "align" }], join: {} },
    ],
  });
});

test("a graph can grow an open batch", () => {
  const graph = createGraph({ batchId: "0197a1b2-0000-7000-8000-000000000001" });
  expect(graph.toRequest().target).toEqual({ case: "batchId", value: "0197a1b2-0000-7000-8000-000000000001" });
});

test("a key that is taken is refused", () => {
  const graph = createGraph();
  graph.task("a", { kind: "work" });
  expect(() => graph.task("a", { kind: "work" })).toThrow('the graph has a task "a" already');
});
