import { create, toBinary } from "@bufbuild/protobuf";
import { StructSchema } from "@bufbuild/protobuf/wkt";
import { describe, expect, test } from "vitest";
import { CreateTasksRequestSchema } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { grpcFrame, http2Request, postJson } from "./server-harness.ts";
import { newKind, sharedServer } from "./shared-server.ts";

const server = sharedServer();

const tasksPath = "/millpond.v1.TaskService/";

function errorParts(json: { details?: { type: string; debug?: Record<string, unknown> }[] }) {
  const debug = (type: string) => json.details?.find((detail) => detail.type === type)?.debug;
  const violations = (debug("google.rpc.BadRequest")?.fieldViolations ?? []) as { field: string }[];
  return {
    ...{ reason: debug("google.rpc.ErrorInfo")?.reason, domain: debug("google.rpc.ErrorInfo")?.domain },
    fields: violations.map(({ field }) => field),
  };
}

describe("JSON by HTTP/1.1, as curl sends it", () => {
  const lone = '"\\ud800"';
  const cases: [what: string, method: string, body: string, fields: string[] | undefined][] = [
    ["half a request", "CreateTasks", '{"tasks": [{"name": "a"', undefined],
    ["no JSON", "CreateTasks", "hello", undefined],
    ["an array", "CreateTasks", "[]", undefined],
    ["null", "CreateTasks", "null", undefined],
    ["a number for a list", "CreateTasks", '{"tasks": 7}', ["tasks"]],
    ["an unknown field", "CreateTasks", '{"tasks": [{"name": "a", "kind": "k", "depends": []}]}', ["tasks[0].depends"]],
    ["a prototype", "CreateTasks", '{"__proto__": {"x": 1}}', ["__proto__"]],
    ["two ways of execution", "CreateTasks", '{"tasks":[{"name":"a","kind":"k","join":{},"worker":{}}]}', undefined],
    [
      "a text for a number",
      "CreateTasks",
      '{"tasks":[{"name":"a","kind":"k","priority":"high"}]}',
      ["tasks[0].priority"],
    ],
    [
      "a fraction for an integer",
      "CreateTasks",
      '{"tasks":[{"name":"a","kind":"k","priority":1.5}]}',
      ["tasks[0].priority"],
    ],
    [
      "a count beyond 64 bits",
      "CreateTasks",
      '{"tasks":[{"name":"a","kind":"k","expectedCount":"9223372036854775808"}]}',
      ["tasks[0].expected_count"],
    ],
    [
      "a negative duration",
      "CreateTasks",
      '{"tasks":[{"name":"a","kind":"k","startTimeout":"-1s"}]}',
      ["tasks[0].start_timeout"],
    ],
    [
      "a duration in minutes",
      "CreateTasks",
      '{"tasks":[{"name":"a","kind":"k","startTimeout":"42m30s"}]}',
      ["tasks[0].start_timeout"],
    ],
    ["an infinite number", "CreateTasks", '{"tasks":[{"name":"a","kind":"k","metadata":{"a":1e999}}]}', undefined],
    ["half a surrogate pair in a name", "CreateTasks", `{"tasks":[{"name":${lone},"kind":"k"}]}`, ["tasks[0].name"]],
    [
      "half a surrogate pair in a key",
      "CreateTasks",
      `{"tasks":[{"name":"n","kind":"k","key":${lone}}]}`,
      ["tasks[0].key"],
    ],
    [
      "half a surrogate pair in metadata",
      "CreateTasks",
      `{"tasks":[{"name":"n","kind":"k","metadata":{"a":${lone}}}]}`,
      undefined,
    ],
    [
      "half a surrogate pair in a name in metadata",
      "CreateTasks",
      `{"tasks":[{"name":"n","kind":"k","metadata":{${lone}:1}}]}`,
      undefined,
    ],
    [
      "half a surrogate pair in a label",
      "CreateTasks",
      `{"tasks":[{"name":"n","kind":"k","worker":{"requiredLabels":{"a":${lone}}}}]}`,
      undefined,
    ],
    ["half a surrogate pair in a request_id", "CreateTasks", `{"requestId":${lone}}`, ["request_id"]],
    ["half a surrogate pair in a filter", "ListTasks", `{"nameContains":${lone}}`, ["name_contains"]],
    [
      "half a surrogate pair in a reason",
      "CancelTasks",
      `{"taskIds":["01900000-0000-7000-8000-000000000000"],"reason":${lone}}`,
      ["reason"],
    ],
    ["NUL in a filter", "ListTasks", '{"nameContains":"\\u0000"}', ["name_contains"]],
    ["NUL in a kind", "ListTasks", '{"kinds":["\\u0000"]}', ["kinds[0]"]],
    ["NUL in metadata of a filter", "ListTasks", '{"metadata":{"a":"\\u0000"}}', ["metadata.a"]],
    ["NUL in a page token", "ListTasks", '{"pageToken":"\\u0000"}', ["page_token"]],
    ["a status that is none", "ListTasks", '{"statuses":["DONE"]}', undefined],
    ["status 0", "ListTasks", '{"statuses":[0]}', ["statuses[0]"]],
    ["status 99", "ListTasks", '{"statuses":[99]}', undefined],
    [
      "no report",
      "ReportTasks",
      '{"reports":[{"taskId":"01900000-0000-7000-8000-000000000000"}]}',
      ["reports[0].report"],
    ],
    ["no reports", "ReportTasks", "{}", ["reports"]],
    [
      "negative counts",
      "ReportTasks",
      '{"reports":[{"taskId":"01900000-0000-7000-8000-000000000000","started":{},"addSuccessCount":-1}]}',
      ["reports[0].add_success_count"],
    ],
    [
      "NUL in a failure",
      "ReportTasks",
      '{"reports":[{"taskId":"01900000-0000-7000-8000-000000000000","failure":{"message":"\\u0000"}}]}',
      ["reports[0].failure.message"],
    ],
    [
      "a negative attempt",
      "ReportTasks",
      '{"reports":[{"taskId":"01900000-0000-7000-8000-000000000000","attempt":-1,"started":{}}]}',
      ["reports[0].attempt"],
    ],
    [
      "NUL in a reason",
      "CancelTasks",
      '{"taskIds":["01900000-0000-7000-8000-000000000000"],"reason":"\\u0000"}',
      ["reason"],
    ],
  ];
  test.each(cases)("%s is INVALID_FIELD", async (_what, method, body, fields) => {
    const before = await server.rows();
    const { status, json, text } = await postJson(`${server.url}${tasksPath}${method}`, body);
    const error = errorParts(json);
    expect({ status, ...error, fields: fields === undefined ? undefined : error.fields }).toEqual({
      ...{ status: 400, reason: "INVALID_FIELD", domain: "millpond", fields },
    });
    expect(text).not.toMatch(/node_modules|\.ts:| {4}at |select |insert |pg_/);
    expect(await server.rows()).toEqual(before);
  });

  test("metadata of a prototype's names comes back as it was given", async () => {
    const kind = newKind();
    const metadata = '{"__proto__":{"admin":true},"constructor":1,"toString":null,"a":{"__proto__":[1]}}';
    const body = `{"tasks":[{"name":"n","kind":"${kind}","metadata":${metadata},"input":${metadata}}]}`;
    const { status, json } = await postJson(`${server.url}${tasksPath}CreateTasks`, body);
    expect(status).toBe(200);
    const [task] = json.tasks as { taskId: string }[];
    const read = await postJson(`${server.url}${tasksPath}GetTask`, JSON.stringify({ taskId: task?.taskId }));
    const shown = read.json.task as { metadata: object; input: object };
    for (const part of [shown.metadata, shown.input]) {
      expect(Object.keys(part).sort()).toEqual(["__proto__", "a", "constructor", "toString"]);
      expect(JSON.stringify(part)).toContain('"__proto__":{"admin":true}');
    }
    expect(({} as Record<string, unknown>).admin).toBeUndefined();
  });
});

describe("numbers and text that JSON does not have, by the binary protocols", () => {
  /** A request whose metadata's field "a" is the bytes of a google.protobuf.Value. */
  function requestWith(value: Buffer): Buffer {
    const marker = toBinary(
      StructSchema,
      create(StructSchema, { fields: { a: { kind: { case: "boolValue", value: true } } } }),
    );
    const request = Buffer.from(
      toBinary(
        CreateTasksRequestSchema,
        create(CreateTasksRequestSchema, { tasks: [{ name: "n", kind: "k", metadata: { a: true } }] }),
      ),
    );
    const at = request.indexOf(marker);
    expect(at).toBeGreaterThan(0);
    const entry = Buffer.concat([Buffer.from([0x0a, 1, 0x61, 0x12, value.length]), value]);
    const struct = Buffer.concat([Buffer.from([0x0a, entry.length]), entry]);
    const task = Buffer.concat([Buffer.from("0a016e", "hex"), Buffer.alloc(0)]);
    expect(task.length).toBe(3);
    const body = Buffer.concat([Buffer.from([0x12, 1, 0x6e, 0x1a, 1, 0x6b, 0x32, struct.length]), struct]);
    return Buffer.concat([Buffer.from([0x22, body.length]), body]);
  }
  const double = (number: number): Buffer => {
    const bytes = Buffer.alloc(9);
    bytes[0] = 0x11;
    bytes.writeDoubleLE(number, 1);
    return bytes;
  };

  test.each([
    ["NaN", double(Number.NaN)],
    ["Infinity", double(Number.POSITIVE_INFINITY)],
    ["-Infinity", double(Number.NEGATIVE_INFINITY)],
    ["text that is not UTF-8", Buffer.from([0x1a, 2, 0xc3, 0x28])],
    ["a surrogate in UTF-8", Buffer.from([0x1a, 3, 0xed, 0xa0, 0x80])],
    ["a NUL", Buffer.from([0x1a, 1, 0])],
  ])("%s in metadata is INVALID_ARGUMENT or replaced, never an internal error", async (what, value) => {
    const before = await server.rows();
    const bytes = requestWith(value);
    const answer = await fetch(`${server.url}${tasksPath}CreateTasks`, {
      ...{ method: "POST", headers: { "content-type": "application/proto" }, body: bytes },
    });
    const replaced = /UTF-8/.test(what) && answer.status === 200;
    if (!replaced) {
      const text = await answer.text();
      expect([what, answer.status, text]).toEqual([what, 400, expect.stringContaining("INVALID_FIELD")]);
      expect(await server.rows()).toEqual(before);
    }
    const grpc = await http2Request(
      server.url,
      { ":path": `${tasksPath}CreateTasks`, "content-type": "application/grpc", te: "trailers" },
      grpcFrame(bytes),
    );
    const status = grpc.trailers["grpc-status"] ?? grpc.headers["grpc-status"];
    expect(status).toBe(replaced ? "0" : "3");
  });

  test("the same number in a valid request is taken", async () => {
    const answer = await fetch(`${server.url}${tasksPath}CreateTasks`, {
      ...{ method: "POST", headers: { "content-type": "application/proto" }, body: requestWith(double(1.5)) },
    });
    expect(answer.status).toBe(200);
  });
});
