import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import { Code, type ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../src/gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../src/gen/grpc/reflection/v1/reflection_pb.ts";
import { BatchService } from "../../src/gen/millpond/v1/batch_service_pb.ts";
import { DeliveryService } from "../../src/gen/millpond/v1/delivery_service_pb.ts";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { TaskService } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { WorkerService } from "../../src/gen/millpond/v1/worker_service_pb.ts";
import { isUnavailable } from "../../src/rpc/services.ts";
import { sharedServer } from "./shared-server.ts";

const server = sharedServer();

const bufProgram = createRequire(import.meta.url).resolve("@bufbuild/buf/bin/buf");
const contract = [TaskService, BatchService, EventService, WorkerService, DeliveryService];

test("every RPC of the contract is there", async () => {
  // Registered when the server began.
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  const missing = contract.flatMap(({ name, methods }) =>
    methods.filter(isUnavailable).map((method) => `${name}/${method.name}`),
  );
  expect(missing).toEqual([]);
});

test("reflection tells of every service of the contract, and health answers for each", async () => {
  const transport = createGrpcTransport({ baseUrl: server.url });
  const reflection = createClient(ServerReflection, transport);
  const listed: string[] = [];
  const asked = (async function* () {
    yield { messageRequest: { case: "listServices" as const, value: "" } };
  })();
  for await (const { messageResponse } of reflection.serverReflectionInfo(asked)) {
    if (messageResponse.case === "listServicesResponse") {
      listed.push(...messageResponse.value.service.map(({ name }) => name));
    }
  }
  const names = contract.map(({ typeName }) => typeName);
  expect(listed).toEqual(expect.arrayContaining(names));

  const health = createClient(Health, transport);
  const { statuses } = await health.list({});
  expect(Object.keys(statuses).toSorted()).toEqual(["", ...listed].toSorted());
  for (const service of ["", ...listed]) {
    expect((await health.check({ service })).status).toBe(Status.SERVING);
    for await (const { status } of health.watch({ service })) {
      expect(status).toBe(Status.SERVING);
      break;
    }
  }
  for (const service of ["TaskService", "millpond.v1", "millpond.v1.TaskService/GetTask", "millpond.v1.Nope", " "]) {
    expect(await health.check({ service }).catch((error: ConnectError) => error.code)).toBe(Code.NotFound);
    for await (const { status } of health.watch({ service })) {
      expect(status).toBe(Status.SERVICE_UNKNOWN);
      break;
    }
  }
});

test.each(["grpc", "grpcweb", "connect"])(
  "a generic client calls over %s with nothing but the address",
  async (protocol) => {
    const buf = async (method: string, request: object) => {
      const options = ["curl", "--protocol", protocol, "--http2-prior-knowledge", "--data", JSON.stringify(request)];
      const { stdout } = await promisify(execFile)(process.execPath, [
        bufProgram,
        ...options,
        `${server.url}/${method}`,
      ]);
      return JSON.parse(stdout);
    };
    const created = await buf("millpond.v1.TaskService/CreateTasks", {
      tasks: [{ key: "a", name: "a", kind: "generic" }],
    });
    const [{ taskId }] = created.tasks;
    const { task } = await buf("millpond.v1.TaskService/GetTask", { taskId });
    expect(task).toMatchObject({ taskId, name: "a", kind: "generic" });
  },
);
