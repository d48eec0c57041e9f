import { readFileSync } from "node:fs";
import path from "node:path";
import type { DescService } from "@bufbuild/protobuf";
import { BatchService, DeliveryService, EventService, TaskService, WorkerService } from "@millpond/sdk";
import { describe, expect, it } from "vitest";
import { createBatchService } from "../../src/rpc/batch-service.ts";
import { createDeliveryService } from "../../src/rpc/delivery-service.ts";
import { createEventService } from "../../src/rpc/event-service.ts";
import type { RpcDeps } from "../../src/rpc/rpc-deps.ts";
import { createTaskService } from "../../src/rpc/task-service.ts";
import { createWorkerService } from "../../src/rpc/worker-service.ts";
import { cutSnippets } from "../../tools/cut-snippets.ts";

const readme = readFileSync(path.resolve(import.meta.dirname, "../../README.md"), "utf8");
// Only the names of the methods are looked at: nothing is called.
const deps = { engine: {} } as RpcDeps;
const built: readonly (readonly [DescService, object])[] = [
  [TaskService, createTaskService(deps)],
  [BatchService, createBatchService(deps)],
  [WorkerService, createWorkerService(deps)],
  [EventService, createEventService(deps)],
  [DeliveryService, createDeliveryService(deps)],
];

it.each(built.map(([service, methods]) => ({ name: service.name, service, methods })))(
  "says in README.md which RPCs of $name work and which do not",
  ({ name, service, methods }) => {
    const cells = new RegExp(`^\\| ${name} \\|([^|]*)\\|([^|]*)\\|$`, "m").exec(readme)?.slice(1) ?? [];
    const [works, missing] = cells.map((cell) =>
      cell
        .split(",")
        .map((rpc) => rpc.trim())
        .filter((rpc) => rpc !== ""),
    );
    expect(works).toEqual(service.methods.filter(({ localName }) => localName in methods).map(({ name }) => name));
    expect(missing).toEqual(service.methods.filter(({ localName }) => !(localName in methods)).map(({ name }) => name));
  },
);

describe("cutSnippets", () => {
  const source = "first\n  // snippet: one\n  const a = 1;\n    more();\n  // end: one\nlast\n";

  it("fills a place with the lines between the markers, without their indent", () => {
    const text = "before\n<!-- snippet a/b.ts#one -->\nold\n<!-- /snippet -->\nafter\n";
    const filled =
      "before\n<!-- snippet a/b.ts#one -->\n```ts\nconst a = 1;\n  more();\n```\n<!-- /snippet -->\nafter\n";
    expect(cutSnippets(text, () => source)).toBe(filled);
    expect(cutSnippets(filled, () => source)).toBe(filled);
  });

  it("refuses a name that the file does not have", () => {
    expect(() => cutSnippets("<!-- snippet a.ts#two -->\n<!-- /snippet -->", () => source)).toThrow(
      'a.ts has no lines between "snippet: two" and "end: two"',
    );
  });
});
