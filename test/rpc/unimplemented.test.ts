import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BatchService } from "../../src/gen/millpond/v1/batch_service_pb.ts";
import { DeliveryService } from "../../src/gen/millpond/v1/delivery_service_pb.ts";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { TaskService } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { WorkerService } from "../../src/gen/millpond/v1/worker_service_pb.ts";
import { isUnavailable } from "../../src/rpc/services.ts";
import { detailsOf, errorOf, postJson } from "./server-harness.ts";
import { sharedServer } from "./shared-server.ts";

const server = sharedServer();

let rows: Record<string, number> = {};
beforeAll(async () => {
  rows = await server.rows();
});
afterAll(async () => {
  expect(await server.rows()).toEqual(rows);
});

describe("an RPC of a later version", () => {
  const requests: Record<string, object> = {
    "WorkerService/ListWorkers": {},
  };
  const streams = ["WorkerService/Work"];

  test("is one of these, and every other one of the contract is there", () => {
    const services = [TaskService, BatchService, EventService, WorkerService, DeliveryService];
    const missing = services.flatMap(({ name, methods }) =>
      methods.filter(isUnavailable).map((method) => `${name}/${method.name}`),
    );
    expect(missing.sort()).toEqual([...Object.keys(requests), ...streams].sort());
  });

  const calls = Object.entries(requests).flatMap(([method, request]) => [
    [method, request],
    [method, {}],
  ]);
  test.each(calls)("%s answers UNIMPLEMENTED and says so, whatever it is sent", async (method, request) => {
    const { status, json } = await postJson(`${server.url}/millpond.v1.${method}`, JSON.stringify(request));
    expect([json.code, json.message]).toEqual(["unimplemented", expect.stringContaining(`millpond.v1.${method}`)]);
    expect(json.message).toContain("not of this version");
    expect(status).toBe(501);
    expect(json.details?.[0]?.debug).toMatchObject({ reason: "UNIMPLEMENTED", domain: "millpond" });
  });

  test("that streams answers it as the stream's end", async () => {
    async function* none() {}
    const error = await errorOf(server.client.workers.work(none())[Symbol.asyncIterator]().next());
    expect(error.code).toBe(12);
    expect(error.message).toContain("not of this version");
    expect(detailsOf(error).reason).toBe("UNIMPLEMENTED");
  });
});
