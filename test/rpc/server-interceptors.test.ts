import type { Validator } from "@bufbuild/protovalidate";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { describe, expect, test, vi } from "vitest";
import { EventService } from "../../src/gen/millpond/v1/event_service_pb.ts";
import { TaskService } from "../../src/gen/millpond/v1/task_service_pb.ts";
import { interceptorOrder } from "../../src/server/interceptors/interceptor-order.ts";
import { detailsOf, errorOf, startFakeServer, until } from "./server-harness.ts";

const taskId = "0190a0b0-0000-7000-8000-000000000001";

function clientOf(url: string) {
  return createClient(TaskService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
}

describe("interceptors", () => {
  test("run in their named order, outermost first", async () => {
    const leaving: string[] = [];
    // What is clearly valid is not shown to the validator.
    const unclear = "no UUID";
    const defect = new Error("a rule that does not compile");
    const validator = {
      validate: vi.fn((_schema: unknown, message: { taskId?: string }) => {
        if (message.taskId !== unclear) return { kind: "valid", message, error: undefined, violations: undefined };
        leaving.push("validation");
        throw defect;
      }),
    } as unknown as Validator;
    const server = await startFakeServer(
      {},
      {
        validator,
        mapError: (error) => {
          leaving.push("errors");
          return error === defect ? new ConnectError("mapped", Code.DataLoss) : undefined;
        },
      },
    );
    const counter = server.registry.getSingleMetric("millpond_rpc_requests_total") as unknown as { inc: () => void };
    const count = counter.inc.bind(counter);
    counter.inc = (...given: []) => {
      leaving.push("metrics");
      count(...given);
    };
    const { push } = server.log;
    server.log.push = (...lines) => {
      leaving.push("requestIdAndAccessLog");
      return push.apply(server.log, lines);
    };
    expect((await errorOf(clientOf(server.url).getTask({ taskId: unclear }))).code).toBe(Code.DataLoss);
    expect(leaving.toReversed()).toEqual([...interceptorOrder]);
    expect(server.log.find(({ msg }) => msg === "call")).toMatchObject({ code: "DATA_LOSS", level: 40 });
  });

  test("write one access log line per call, without what was said in it", async () => {
    const server = await startFakeServer({ tasks: { getTask: () => ({ task: { name: "very private" } }) } });
    await clientOf(server.url).getTask({ taskId }, { headers: { authorization: "Bearer s3cret" } });
    const lines = server.log.filter(({ msg }) => msg === "call");
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({
      level: 30,
      method: "millpond.v1.TaskService/GetTask",
      protocol: "connect",
      code: "OK",
      peer: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      durationMs: expect.any(Number),
    });
    expect(JSON.stringify(server.log)).not.toMatch(/very private|s3cret|0190a0b0/);
  });

  test("move every metric of calls, open streams included", async () => {
    const release = Promise.withResolvers<void>();
    const server = await startFakeServer({
      tasks: { getTask: () => ({}) },
      events: {
        async *watchEvents() {
          yield { cursor: "1" };
          await release.promise;
        },
      },
    });
    const transport = createConnectTransport({ baseUrl: server.url, httpVersion: "2" });
    await createClient(TaskService, transport).getTask({ taskId });
    const stream = createClient(EventService, transport).watchEvents({})[Symbol.asyncIterator]();
    await stream.next();
    const inFlight = 'millpond_rpc_in_flight{service="millpond.v1.EventService",method="WatchEvents"}';
    expect(await server.registry.metrics()).toContain(`${inFlight} 1`);
    release.resolve();
    expect((await stream.next()).done).toBe(true);
    const shown = await (await fetch(`${server.url}/metrics`)).text();
    expect(shown).toContain(`${inFlight} 0`);
    expect(shown).toContain(
      'millpond_rpc_requests_total{service="millpond.v1.TaskService",method="GetTask",code="OK"} 1',
    );
    expect(shown).toContain(
      'millpond_rpc_duration_seconds_count{service="millpond.v1.EventService",method="WatchEvents"} 1',
    );
    expect(shown).toContain("process_cpu_seconds_total");
  });

  test("validate each message of a stream", async () => {
    const seen: string[] = [];
    const server = await startFakeServer({
      tasks: {
        async *streamCounts(requests) {
          for await (const { sequence } of requests) {
            seen.push(String(sequence));
            yield { acknowledgedSequence: sequence };
          }
        },
      },
    });
    const client = createClient(TaskService, createConnectTransport({ baseUrl: server.url, httpVersion: "2" }));
    async function* counts() {
      yield { producerId: "p", sequence: 1n };
      yield { producerId: "p", sequence: 2n, counts: [{ taskId: "not an id" }] };
    }
    const error = await errorOf(
      (async () => {
        for await (const _ of client.streamCounts(counts()));
      })(),
    );
    expect(error.code).toBe(Code.InvalidArgument);
    expect(detailsOf(error)).toMatchObject({ reason: "INVALID_FIELD", fields: ["counts[0].task_id"] });
    expect(seen).toEqual(["1"]);
  });

  test("translate the error that ends a stream", async () => {
    const server = await startFakeServer({
      events: {
        // biome-ignore lint/correctness/useYield: a stream that fails before its first message
        async *watchEvents() {
          throw new Error("boom");
        },
      },
    });
    const client = createClient(EventService, createConnectTransport({ baseUrl: server.url, httpVersion: "2" }));
    const error = await errorOf(client.watchEvents({})[Symbol.asyncIterator]().next());
    expect(error).toMatchObject({
      code: Code.Internal,
      rawMessage: expect.stringMatching(/^internal error \(request id/),
    });
    await until(() => server.log.some(({ msg, code }) => msg === "call" && code === "INTERNAL"), "the log line");
  });
});
