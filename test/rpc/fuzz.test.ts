import fc from "fast-check";
import { expect, test } from "vitest";
import { BatchService } from "../../src/gen/millpond/v1/batch_service_pb.ts";
import { DeliveryService } from "../../src/gen/millpond/v1/delivery_service_pb.ts";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { TaskService } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { WorkerService } from "../../src/gen/millpond/v1/worker_service_pb.ts";
import { sharedServer } from "./shared-server.ts";

const server = sharedServer();

const methods = [TaskService, BatchService, EventService, WorkerService, DeliveryService].flatMap((service) =>
  service.methods.flatMap((method) => (method.methodKind === "unary" ? [{ service: service.typeName, method }] : [])),
);

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }),
  fc.constantFrom(
    "",
    "\0",
    "\ud800",
    "k",
    "01900000-0000-7000-8000-000000000000",
    "1s",
    "-1s",
    "1e3s",
    "c1-0",
    "2026-01-01T00:00:00Z",
    "__proto__",
    "%_\\'\"--",
    "x".repeat(300),
  ),
);
const scalar = fc.oneof(
  text,
  fc.integer(),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.bigInt({ min: -(1n << 66n), max: 1n << 66n }).map(String),
);
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3 },
    scalar,
    fc.array(tie("json"), { maxLength: 3 }),
    fc.dictionary(text, tie("json"), { maxKeys: 3 }),
  ),
}));

/** A value for a field that is often right in shape and often wrong in content. */
function valueFor(
  field: (typeof methods)[number]["method"]["input"]["fields"][number],
  depth: number,
): fc.Arbitrary<unknown> {
  const one = (): fc.Arbitrary<unknown> => {
    if (field.message !== undefined && depth < 4) {
      return field.message.typeName.startsWith("google.protobuf.")
        ? fc.oneof(json, text)
        : messageOf(field.message, depth + 1);
    }
    if (field.enum !== undefined)
      return fc.oneof(fc.integer({ min: -1, max: 12 }), fc.constantFrom(...field.enum.values.map(({ name }) => name)));
    return scalar;
  };
  if (field.fieldKind === "list") return fc.array(one(), { maxLength: 3 });
  if (field.fieldKind === "map") return fc.dictionary(text, fc.oneof(text, json), { maxKeys: 3 });
  return one();
}

function messageOf(
  message: (typeof methods)[number]["method"]["input"],
  depth = 0,
): fc.Arbitrary<Record<string, unknown>> {
  const fields = Object.fromEntries(
    message.fields.map((field) => [
      field.jsonName,
      fc.oneof({ weight: 6, arbitrary: valueFor(field, depth) }, { weight: 1, arbitrary: json }),
    ]),
  );
  return fc.record(fields, { requiredKeys: [] });
}

/** Waits are cut: they are not what is tried here. */
function withoutWaits(body: unknown): unknown {
  if (typeof body !== "object" || body === null || Array.isArray(body)) return body;
  const { waitTimeout: _waitTimeout, ...rest } = body as Record<string, unknown>;
  return rest;
}

const harmless = new Set([
  "invalid_argument",
  "not_found",
  "failed_precondition",
  "already_exists",
  "unimplemented",
  "resource_exhausted",
  "out_of_range",
  "aborted",
]);

test.each(methods.map(({ service, method }) => [`${service}/${method.name}`, method] as const))(
  "%s answers random requests with a fitting code, and with nothing internal",
  async (path, method) => {
    const requests = fc.oneof({ weight: 8, arbitrary: messageOf(method.input) }, { weight: 1, arbitrary: json });
    await fc.assert(
      fc.asyncProperty(requests, async (request) => {
        const response = await fetch(`${server.url}/${path}`, {
          ...{ method: "POST", headers: { "content-type": "application/json" } },
          body: JSON.stringify(withoutWaits(request)) ?? "",
        });
        const answer = await response.text();
        if (response.status === 200) return;
        const { code, details } = JSON.parse(answer) as { code: string; details?: { debug?: { reason?: string } }[] };
        expect([code, harmless.has(code)]).toEqual([code, true]);
        expect(details?.some(({ debug }) => debug?.reason !== undefined)).toBe(true);
        expect(answer).not.toMatch(/node_modules|\.ts:\d|\\n {4}at /);
      }),
      { numRuns: 40 },
    );
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  },
);
