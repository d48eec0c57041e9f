import { type DescMethod, fromJson, type JsonValue, type Message, toJson } from "@bufbuild/protobuf";
import type { CallOptions } from "@connectrpc/connect";
import type { MillpondClient } from "../src/client.ts";
import { BatchService } from "../src/gen/millpond/v1/batch_service_pb.js";
import { DeliveryService } from "../src/gen/millpond/v1/delivery_service_pb.js";
import { EventService } from "../src/gen/millpond/v1/event_service_pb.js";
import { TaskService } from "../src/gen/millpond/v1/task_service_pb.js";
import { WorkerService } from "../src/gen/millpond/v1/worker_service_pb.js";

interface CallFields {
  readonly method: string;
  readonly request: JsonValue;
  readonly timeoutMs?: number;
  /** The name under which it can be canceled. */
  readonly call?: string;
}

interface StreamFields {
  readonly method: string;
  readonly requests: readonly JsonValue[];
  readonly timeoutMs?: number;
}

const services = {
  tasks: TaskService,
  batches: BatchService,
  events: EventService,
  workers: WorkerService,
  deliveries: DeliveryService,
};

type Method = (request: unknown, options: CallOptions) => unknown;

/** Calls makes calls by the name of their method. */
export class Calls {
  readonly #underWay = new Map<string, AbortController>();

  /** Makes a unary call. */
  async call(client: MillpondClient, { method: name, request, timeoutMs, call }: CallFields): Promise<object> {
    const { method, invoke } = find(client, name);
    const controller = new AbortController();
    if (call !== undefined) this.#underWay.set(call, controller);
    try {
      const options = { signal: controller.signal, ...(timeoutMs !== undefined && { timeoutMs }) };
      const response = (await invoke(fromJson(method.input, request), options)) as Message;
      return { response: toJson(method.output, response) };
    } finally {
      if (call !== undefined) this.#underWay.delete(call);
    }
  }

  /** Cancels a call that is under way. */
  cancel(call: string): object {
    this.#underWay.get(call)?.abort();
    return {};
  }

  /** Sends requests on a stream and collects what is answered. */
  async stream(client: MillpondClient, { method: name, requests, timeoutMs }: StreamFields): Promise<object> {
    const { method, invoke } = find(client, name);
    const messages = async function* () {
      for (const request of requests) yield fromJson(method.input, request);
    };
    const answer = invoke(messages(), timeoutMs === undefined ? {} : { timeoutMs });
    const responses: JsonValue[] = [];
    if (method.methodKind === "client_streaming") responses.push(toJson(method.output, (await answer) as Message));
    else {
      for await (const response of answer as AsyncIterable<Message>) responses.push(toJson(method.output, response));
    }
    return { responses };
  }
}

function find(client: MillpondClient, name: string): { readonly method: DescMethod; readonly invoke: Method } {
  for (const [member, service] of Object.entries(services)) {
    const method = service.methods.find((each) => `${service.typeName}/${each.name}` === name);
    if (!method) continue;
    const stub = client[member as keyof typeof services] as unknown as Record<string, Method>;
    return { method, invoke: stub[method.localName]! };
  }
  throw new Error(`there is no method "${name}"`);
}
