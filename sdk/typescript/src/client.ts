import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { type Client, createClient as createConnectClient, type Transport } from "@connectrpc/connect";
import {
  compressionBrotli,
  compressionGzip,
  createConnectTransport,
  createGrpcTransport,
} from "@connectrpc/connect-node";
import { authorization } from "./authorization.ts";
import { withDefaultDeadline } from "./default-deadline.ts";
import { BatchService } from "./gen/millpond/v1/batch_service_pb.js";
import { DeliveryService } from "./gen/millpond/v1/delivery_service_pb.js";
import { EventService } from "./gen/millpond/v1/event_service_pb.js";
import { TaskService } from "./gen/millpond/v1/task_service_pb.js";
import { WorkerService } from "./gen/millpond/v1/worker_service_pb.js";
import { withUnaryCalls } from "./grpc/unary-transport.ts";
import { nameAddress } from "./name-address.ts";
import { requestId } from "./request-id.ts";
import { type RetryPolicyOptions, retryPolicy } from "./retry-policy.ts";
import { retrySafeCalls } from "./retry-safe-calls.ts";
import { WideSessionManager } from "./wide-session-manager.ts";

/** How calls travel: gRPC over one HTTP/2 connection, or the Connect protocol over HTTP/1.1, which passes any proxy. */
export type Protocol = "grpc" | "connect";

/** ClientOptions says which server a client speaks to, and how. */
export interface ClientOptions {
  /** Where the server is, such as `http://127.0.0.1:8085`. Without a scheme, `http://` is meant. */
  readonly address: string;
  /** Sent as `authorization: Bearer …` with every call. */
  readonly token?: string | undefined;
  /** Default `grpc`. */
  readonly protocol?: Protocol | undefined;
  /**
   * Whether the server may compress its answers. Default false: in one network, compressing costs both sides more time
   * than it saves. Worth it for large answers over a slow link.
   */
  readonly acceptCompression?: boolean | undefined;
  /**
   * The deadline of a unary call that gives none, default 30,000. A call that waits for something (`wait_timeout`) gets
   * its wait on top. Streams have no deadline.
   */
  readonly defaultTimeoutMs?: number | undefined;
  /** How calls that are safe to repeat are repeated; false: never. */
  readonly retry?: RetryPolicyOptions | false | undefined;
}

/** MillpondClient holds a typed client for each service, all over the same connection. */
export interface MillpondClient {
  readonly address: string;
  readonly protocol: Protocol;
  readonly tasks: Client<typeof TaskService>;
  readonly batches: Client<typeof BatchService>;
  readonly events: Client<typeof EventService>;
  readonly workers: Client<typeof WorkerService>;
  readonly deliveries: Client<typeof DeliveryService>;
  /** Ends the connection and what runs over it. An idle connection does not keep the process alive. */
  close(): void;
}

const defaultTimeoutMs = 30_000;

/**
 * createClient makes a client of the server at an address. It connects with the first call. Mutations get a
 * `request_id` when they have none, so that they too are safe to repeat; calls that fail because the server is away are
 * repeated, with back-off, when repeating is safe.
 *
 * @throws TypeError when the address is none.
 */
export function createClient(options: ClientOptions): MillpondClient {
  const address = parseAddress(options.address);
  const { transport: bare, close } = openTransport(address, options);
  const transport = withDefaultDeadline(bare, options.defaultTimeoutMs ?? defaultTimeoutMs);
  return {
    address,
    protocol: options.protocol ?? "grpc",
    tasks: createConnectClient(TaskService, transport),
    batches: createConnectClient(BatchService, transport),
    events: createConnectClient(EventService, transport),
    workers: createConnectClient(WorkerService, transport),
    deliveries: createConnectClient(DeliveryService, transport),
    close,
  };
}

function parseAddress(address: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`;
  const url = URL.canParse(withScheme) ? new URL(withScheme) : undefined;
  if (!url || !["http:", "https:"].includes(url.protocol) || url.hostname === "") {
    throw new TypeError(`"${address}" is no address of a server; give one such as http://127.0.0.1:8085`);
  }
  return withScheme.replace(/\/+$/, "");
}

function openTransport(baseUrl: string, options: ClientOptions): { transport: Transport; close(): void } {
  const interceptors = [
    nameAddress(baseUrl),
    ...(options.token ? [authorization(options.token)] : []),
    requestId,
    ...(options.retry === false ? [] : [retrySafeCalls(retryPolicy(options.retry))]),
  ];
  const acceptCompression = options.acceptCompression ? [compressionGzip, compressionBrotli] : [];
  if (options.protocol === "connect") {
    const agent = new (baseUrl.startsWith("https:") ? HttpsAgent : HttpAgent)({ keepAlive: true });
    const nodeOptions = { agent };
    return {
      transport: createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions, interceptors, acceptCompression }),
      close: () => agent.destroy(),
    };
  }
  const sessionManager = new WideSessionManager(baseUrl, { pingIntervalMs: 30_000 });
  const transport = createGrpcTransport({ baseUrl, sessionManager, interceptors, acceptCompression });
  return {
    transport: options.acceptCompression
      ? transport
      : withUnaryCalls(transport, { baseUrl, sessions: sessionManager, interceptors }),
    close: () => sessionManager.abort(),
  };
}
