import http2 from "node:http2";
import {
  create,
  createFileRegistry,
  type DescService,
  type FileRegistry,
  fromBinary,
  getOption,
  hasOption,
  type MessageInitShape,
  toBinary,
} from "@bufbuild/protobuf";
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  MethodOptions_IdempotencyLevel,
} from "@bufbuild/protobuf/wkt";
import { field as fieldRules } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { type Client, Code, type ConnectRouter, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { describe, expect, test } from "vitest";
import {
  ServerReflection as ReflectionV1,
  type ServerReflectionRequest,
  ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ReflectionV1Alpha } from "../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { BatchService } from "../../src/gen/millpond/v1/batch_service_pb.ts";
import { DeliveryService } from "../../src/gen/millpond/v1/delivery_service_pb.ts";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { TaskService } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { WorkerService } from "../../src/gen/millpond/v1/worker_service_pb.ts";
import { errorOf, grpcFrame, http2Request, startFakeServer, until } from "./server-harness.ts";

const contract: DescService[] = [TaskService, BatchService, EventService, WorkerService, DeliveryService];
const ownServices = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
];
const infoPath = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

type Ask = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;
type Answer = ServerReflectionResponse["messageResponse"];

const symbol = (value: string): Ask => ({ case: "fileContainingSymbol", value });
const extension = (containingType: string, extensionNumber: number): Ask => ({
  case: "fileContainingExtension",
  value: { containingType, extensionNumber },
});
const listServices: Ask = { case: "listServices", value: "*" };

/** A server with the whole contract, whose services nobody calls. */
function start(options: Parameters<typeof startFakeServer>[1] = {}) {
  const routes = (router: ConnectRouter): void => {
    for (const service of contract) router.service(service, {});
  };
  return startFakeServer({}, { routes, ...options });
}

type Reflection = Client<typeof ReflectionV1>;

/** Asks on one stream, all at once, and returns the answers. */
async function ask(reflection: Reflection, ...asks: Ask[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  const requests = asks.map((messageRequest) => ({ host: "h", messageRequest }));
  for await (const { validHost, originalRequest, messageResponse } of reflection.serverReflectionInfo(
    stream(requests),
  )) {
    expect(validHost).toBe("h");
    expect(originalRequest?.messageRequest.case).toBe(asks[answers.length]?.case);
    answers.push(messageResponse);
  }
  expect(answers).toHaveLength(asks.length);
  return answers;
}

async function* stream<Item>(items: readonly Item[]): AsyncGenerator<Item> {
  yield* items;
}

function filesOf(answer: Answer | undefined): ReturnType<typeof decodeFile>[] {
  if (answer?.case !== "fileDescriptorResponse") throw new Error(`no files, but ${JSON.stringify(answer)}`);
  return answer.value.fileDescriptorProto.map(decodeFile);
}

function decodeFile(bytes: Uint8Array) {
  return fromBinary(FileDescriptorProtoSchema, bytes);
}

/** A schema made of nothing but an answer. */
function registryOf(answer: Answer | undefined): FileRegistry {
  const files = new Map(filesOf(answer).map((file) => [file.name, file]));
  const file = new Set<FileDescriptorProto>();
  const add = (name: string): void => {
    const given = files.get(name);
    if (given === undefined) throw new Error(`${name} is imported and not there`);
    // What builds the schema wants imports first.
    for (const dependency of given.dependency) add(dependency);
    file.add(given);
  };
  for (const name of files.keys()) add(name);
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [...file] }));
}

function namesOf(answer: Answer | undefined): string[] {
  return filesOf(answer).map(({ name }) => name);
}

const transports: [string, (baseUrl: string) => ReturnType<typeof createGrpcTransport>][] = [
  ["gRPC", (baseUrl) => createGrpcTransport({ baseUrl })],
  ["gRPC-Web", (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" })],
  ["Connect", (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" })],
];

describe.each(transports)("over %s", (_name, transportOf) => {
  test.each([
    ["v1", ReflectionV1],
    // The two versions are alike but for their names.
    ["v1alpha", ReflectionV1Alpha as unknown as typeof ReflectionV1],
  ])("%s lists every service, and describes each with all that it needs", async (_version, service) => {
    const server = await start();
    const reflection = createClient(service, transportOf(server.url));
    const [list] = await ask(reflection, listServices);
    if (list?.case !== "listServicesResponse") throw new Error(`no list, but ${JSON.stringify(list)}`);
    const names = list.value.service.map(({ name }) => name);
    expect(names).toEqual([...ownServices, ...contract.map(({ typeName }) => typeName).toSorted()]);
    for (const name of names) {
      const [answer] = await ask(reflection, symbol(name));
      const registry = registryOf(answer);
      expect(registry.getService(name)?.methods.length).toBeGreaterThan(0);
    }
  });
});

test("a description is that of the contract, with its options", async () => {
  const server = await start();
  const [answer] = await ask(
    createClient(ReflectionV1, createGrpcTransport({ baseUrl: server.url })),
    symbol("millpond.v1.TaskService"),
  );
  const registry = registryOf(answer);
  const getTask = registry.getService("millpond.v1.TaskService")?.method.getTask;
  expect(getTask?.idempotency).toBe(MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS);
  const taskId = getTask?.input.field.taskId;
  if (taskId === undefined) throw new Error("GetTaskRequest has no task_id");
  expect(hasOption(taskId, fieldRules)).toBe(true);
  expect(getOption(taskId, fieldRules).type.value).toMatchObject({ wellKnown: { case: "uuid", value: true } });
});

const found: [string, Ask, string][] = [
  ["a service", symbol("millpond.v1.TaskService"), "millpond/v1/task_service.proto"],
  ["a method", symbol("millpond.v1.TaskService.GetTask"), "millpond/v1/task_service.proto"],
  ["a message", symbol("millpond.v1.Task"), "millpond/v1/task.proto"],
  ["a field", symbol("millpond.v1.Task.task_id"), "millpond/v1/task.proto"],
  ["a oneof", symbol("millpond.v1.TaskReport.report"), "millpond/v1/report.proto"],
  ["an enum", symbol("millpond.v1.TaskStatus"), "millpond/v1/task.proto"],
  ["a value, which stands beside its enum", symbol("millpond.v1.TASK_STATUS_PENDING"), "millpond/v1/task.proto"],
  ["a nested message", symbol("buf.validate.FieldPathElement"), "buf/validate/validate.proto"],
  ["an extension by name", symbol("buf.validate.field"), "buf/validate/validate.proto"],
  ["an extension by number", extension("google.protobuf.FieldOptions", 1159), "buf/validate/validate.proto"],
  ["an import of an import", symbol("google.protobuf.FileDescriptorProto"), "google/protobuf/descriptor.proto"],
  ["a detail of errors", symbol("google.rpc.ErrorInfo"), "google/rpc/error_details.proto"],
  ["a service of the server", symbol("grpc.health.v1.Health"), "grpc/health/v1/health.proto"],
  ["a file", { case: "fileByFilename", value: "google/protobuf/timestamp.proto" }, "google/protobuf/timestamp.proto"],
];

const absent: [string, Ask][] = [
  ["nothing", symbol("")],
  ["an unknown name", symbol("millpond.v1.Nope")],
  ["a package", symbol("millpond.v1")],
  ["a name with a dot in front", symbol(".millpond.v1.Task")],
  ["a value under its enum", symbol("millpond.v1.TaskStatus.TASK_STATUS_PENDING")],
  ["a name of JavaScript", symbol("__proto__")],
  ["a file by its name on disk", { case: "fileByFilename", value: "../proto/millpond/v1/task.proto" }],
  ["a file with a zero byte", { case: "fileByFilename", value: "/etc/passwd\0.proto" }],
  ["an extension of a message that has none", extension("millpond.v1.Task", 1159)],
  ["an extension of nothing", extension("", 0)],
  ["an extension with a negative number", extension("google.protobuf.FieldOptions", -1)],
  ["the extensions of no message", { case: "allExtensionNumbersOfType", value: "millpond.v1.TaskStatus" }],
];

test.each(found)("finds the file of %s", async (_what, question, file) => {
  const server = await start();
  const [answer] = await ask(createClient(ReflectionV1, createGrpcTransport({ baseUrl: server.url })), question);
  expect(namesOf(answer)[0]).toBe(file);
});

test("what does not exist is NOT_FOUND in its place, and the stream goes on", async () => {
  const server = await start();
  const reflection = createClient(ReflectionV1, createGrpcTransport({ baseUrl: server.url }));
  const long = "x".repeat(100_000);
  const answers = await ask(reflection, ...absent.map(([, question]) => question), symbol(long), listServices);
  expect(answers.pop()?.case).toBe("listServicesResponse");
  for (const [index, answer] of answers.entries()) {
    expect(answer, absent[index]?.[0]).toMatchObject({ case: "errorResponse", value: { errorCode: Code.NotFound } });
  }
  expect(answers[1]?.value).toMatchObject({ errorMessage: 'there is no symbol "millpond.v1.Nope"' });
  expect(JSON.stringify(answers.at(-1)?.value).length).toBeLessThan(400);
});

test("a request that asks for nothing is INVALID_ARGUMENT in its place", async () => {
  const server = await start();
  const reflection = createClient(ReflectionV1, createGrpcTransport({ baseUrl: server.url }));
  const [answer] = await ask(reflection, { case: undefined });
  expect(answer).toMatchObject({ case: "errorResponse", value: { errorCode: Code.InvalidArgument } });
});

test("tells the numbers of the extensions of a message, and of one without that it has none", async () => {
  const server = await start();
  const reflection = createClient(ReflectionV1, createGrpcTransport({ baseUrl: server.url }));
  const [some, none] = await ask(
    reflection,
    { case: "allExtensionNumbersOfType", value: "google.protobuf.FieldOptions" },
    { case: "allExtensionNumbersOfType", value: "millpond.v1.Task" },
  );
  expect(some?.value).toMatchObject({ baseTypeName: "google.protobuf.FieldOptions", extensionNumber: [1159, 1160] });
  expect(none?.value).toMatchObject({ baseTypeName: "millpond.v1.Task", extensionNumber: [] });
});

test("a stream is sent no import twice, but always the file that it asks for", async () => {
  const server = await start();
  const reflection = createClient(ReflectionV1, createGrpcTransport({ baseUrl: server.url }));
  const asks = Array.from({ length: 500 }, () => symbol("millpond.v1.TaskService"));
  const [first, ...others] = (await ask(reflection, ...asks)).map(namesOf);
  expect(new Set(first).size).toBe(first?.length);
  expect(first).toContain("google/protobuf/descriptor.proto");
  for (const other of others) expect(other).toEqual(["millpond/v1/task_service.proto"]);
});

test("turned off, it is UNIMPLEMENTED and in no list", async () => {
  const server = await start({ reflection: false });
  const reflection = createClient(ReflectionV1, createGrpcTransport({ baseUrl: server.url }));
  expect((await errorOf(ask(reflection, listServices))).code).toBe(Code.Unimplemented);
});

describe("what is no request", () => {
  const frames: [string, Buffer, Code][] = [
    ["bytes that are none", grpcFrame(Buffer.from([0xff, 0xff, 0xff])), Code.InvalidArgument],
    ["a name that is not UTF-8", grpcFrame(Buffer.from([0x22, 2, 0xff, 0xfe])), Code.InvalidArgument],
    ["a message beyond the limit", grpcFrame(Buffer.alloc(300 * 1024, 0x20)), Code.ResourceExhausted],
  ];

  test.each(frames)("ends the stream: %s", async (_what, frame, code) => {
    const server = await start();
    const headers = { ":path": infoPath, "content-type": "application/grpc", te: "trailers" };
    const { trailers } = await http2Request(server.url, headers, frame);
    expect(trailers["grpc-status"]).toBe(String(code));
    expect(server.log.filter(({ level }) => level >= 40)).toEqual([]);
  });
});

describe("an open stream", () => {
  test.each(["application/grpc", "application/connect+proto"])(
    "of %s ends at once when the server stops",
    async (type) => {
      const server = await start({ shutdownGraceMs: 60_000 });
      const { session, answered, closed } = await openStream(server.url, type);
      await answered;
      await server.stop();
      await closed;
      expect(session.closed || session.destroyed).toBe(true);
      await until(() => server.log.some(({ code }) => code === "UNAVAILABLE"), "the log line");
    },
  );

  test.each(["application/grpc", "application/connect+proto"])(
    "of %s whose caller is gone is no defect of the server",
    async (type) => {
      const server = await start();
      for (let round = 0; round < 10; round++) {
        const { session, answered } = await openStream(server.url, type);
        await answered;
        session.destroy();
      }
      const lines = () => server.log.filter(({ msg }) => msg === "call");
      await until(() => lines().length === 10, "the log lines");
      expect(lines().map(({ code }) => code)).toEqual(Array.from({ length: 10 }, () => "CANCELED"));
      expect(server.log.filter(({ level }) => level >= 40)).toEqual([]);
    },
  );
});

test("a caller that goes away in the middle of a large answer is no defect of the server", async () => {
  const server = await start({ maxMessageBytes: 16 * 1024 * 1024 });
  const name = symbol("x".repeat(8 * 1024 * 1024));
  const bytes = toBinary(
    ServerReflectionRequestSchema,
    create(ServerReflectionRequestSchema, { messageRequest: name }),
  );
  for (let round = 0; round < 5; round++) {
    const { session, call } = await openStream(server.url, "application/grpc");
    call.write(grpcFrame(bytes));
    let received = 0;
    call.on("data", (piece: Buffer) => {
      received += piece.length;
      if (received > 64 * 1024) session.destroy();
    });
    await new Promise((resolve) => session.once("close", resolve));
  }
  const lines = () => server.log.filter(({ msg }) => msg === "call");
  await until(() => lines().length === 5, "the log lines");
  expect(lines().map(({ code }) => code)).toEqual(Array.from({ length: 5 }, () => "CANCELED"));
  expect(server.log.filter(({ level }) => level >= 40)).toEqual([]);
});

/** Opens a stream, asks one thing, and leaves it open. */
async function openStream(url: string, type: string) {
  const session = http2.connect(url);
  session.on("error", () => {});
  const call = session.request({ ":method": "POST", ":path": infoPath, "content-type": type });
  call.on("error", () => {});
  const answered = new Promise((resolve) => call.once("data", resolve));
  const closed = new Promise((resolve) => session.once("close", resolve));
  const request: ServerReflectionRequest = create(ServerReflectionRequestSchema, {
    messageRequest: { case: "listServices", value: "" },
  });
  call.write(grpcFrame(toBinary(ServerReflectionRequestSchema, request)));
  return { session, call, answered, closed };
}
