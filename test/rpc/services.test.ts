import { expect, test } from "vitest";
import { BatchService } from "../../src/gen/millpond/v1/batch_service_pb.ts";
import { DeliveryService } from "../../src/gen/millpond/v1/delivery_service_pb.ts";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { TaskService } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { WorkerService } from "../../src/gen/millpond/v1/worker_service_pb.ts";
import { isUnavailable } from "../../src/rpc/services.ts";
import { sharedServer } from "./shared-server.ts";

const server = sharedServer();

test("every RPC of the contract is there", async () => {
  // Registered when the server began.
  expect((await fetch(`${server.url}/healthz`)).status).toBe(200);
  const services = [TaskService, BatchService, EventService, WorkerService, DeliveryService];
  const missing = services.flatMap(({ name, methods }) =>
    methods.filter(isUnavailable).map((method) => `${name}/${method.name}`),
  );
  expect(missing).toEqual([]);
});
