import { gunzipSync } from "node:zlib";
import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { expect } from "vitest";
import { MillpondError } from "../../../src/domain/errors.ts";
import { ErrorInfoSchema } from "../../../src/gen/google/rpc/error_details_pb.ts";
import type { ServerOptions } from "../../../src/server/start-server.ts";
import { type Fakes, startFakeServer, until } from "../server-harness.ts";

/** A server of a pair, with what its service has seen. */
export type ParityServer = Awaited<ReturnType<typeof startFakeServer>> & {
  readonly seen: Seen;
};

/** Two servers of one implementation: one with the fast path, one without. */
export interface ParityPair {
  readonly fast: ParityServer;
  readonly library: ParityServer;
}

/** What the service of a server has seen. */
interface Seen {
  readonly signals: AbortSignal[];
  yielded: number;
}

/** The header with which a test says how the service shall behave. */
export const behaveHeader = "x-behave";

/** A valid id of a task. */
export const taskId = "0190a0b0-0000-7000-8000-000000000001";

/** Starts a pair; its servers are stopped when the test has finished. */
export async function startPair(options: Partial<ServerOptions> = {}): Promise<ParityPair> {
  const start = async (rpcFastPath: boolean): Promise<ParityServer> => {
    const seen: Seen = { signals: [], yielded: 0 };
    const server = await startFakeServer(fakes(seen), { ...options, rpcFastPath });
    return { ...server, seen };
  };
  return { fast: await start(true), library: await start(false) };
}

/** Does the same with both servers of a pair, and expects the same of both: what comes back, and what is logged and counted. */
export async function expectSame(
  pair: ParityPair,
  exchange: (server: ParityServer) => Promise<unknown>,
  { calls = 1 }: { calls?: number } = {},
): Promise<unknown> {
  const fast = await outcome(pair.fast, exchange, calls);
  const library = await outcome(pair.library, exchange, calls);
  expect(fast).toEqual(library);
  return fast;
}

async function outcome(
  server: ParityServer,
  exchange: (server: ParityServer) => Promise<unknown>,
  calls: number,
): Promise<unknown> {
  const lines = () => server.log.filter(({ msg }) => msg === "call");
  const before = lines().length;
  const result = await exchange(server);
  await until(() => lines().length >= before + calls, `${calls} lines in the log`);
  const called = lines()
    .slice(before)
    .map(({ level, method, protocol, code, requestId }) => ({ level, method, protocol, code, requestId }));
  const counted = (await server.registry.metrics())
    .split("\n")
    .filter((line) => /^millpond_rpc_(requests_total|in_flight|duration_seconds_count)\{.* [1-9]/.test(line));
  return withoutChance({ result, called, counted: counted.toSorted() }, server.port);
}

/** Leaves out what differs by chance: dates, ports and request ids that the server made. */
export function withoutChance(value: unknown, port: number): unknown {
  const text = JSON.stringify(value, (key, item: unknown) => {
    if (key === "date") return "<date>";
    if (item instanceof Headers) return Object.fromEntries(item);
    return typeof item === "bigint" ? String(item) : item;
  });
  return JSON.parse(
    text
      .replaceAll(String(port), "<port>")
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g, "<made id>"),
  );
}

/** The messages of a body of gRPC frames, decompressed. */
export function framesOf(body: Buffer): { flags: number; message: string }[] {
  const frames: { flags: number; message: string }[] = [];
  for (let at = 0; at + 5 <= body.length; ) {
    const flags = body[at] ?? 0;
    const end = at + 5 + body.readUInt32BE(at + 1);
    const bytes = body.subarray(at + 5, end);
    frames.push({ flags, message: ((flags & 1) === 1 ? gunzipSync(bytes) : bytes).toString("latin1") });
    at = end;
  }
  return frames;
}

function fakes(seen: Seen): Fakes {
  return {
    tasks: {
      getTask: async (request, context) => {
        seen.signals.push(context.signal);
        return { task: { taskId: request.taskId, ...(await behave(context)) } };
      },
      createTasks: ({ requestId, tasks }) => ({ tasks: tasks.map(({ name }) => ({ key: name + requestId })) }),
      cancelTasks: () => ({}),
    },
    events: {
      async *watchEvents(_request, context) {
        seen.signals.push(context.signal);
        const how = context.requestHeader.get(behaveHeader) ?? "three";
        if (how === "fail first") await behave(context, "detail");
        context.responseHeader.set("x-header", "h1");
        const count = how === "flood" ? 2_000 : how === "empty" ? 0 : 3;
        const cursor = how === "flood" ? "c".repeat(4_000) : "c";
        for (let index = 0; index < count; index++) {
          yield { cursor: cursor + index, message: { case: "checkpoint", value: {} } };
          seen.yielded++;
          if (index === 0 && how === "fail midway") await behave(context, "detail");
          if (index === 0 && how === "wait") await behave(context, "wait");
          if (index === 0 && how === "throw plain") throw new Error("secret");
        }
        context.responseTrailer.set("x-trailer", "t1");
      },
    },
  };
}

async function behave(
  context: HandlerContext,
  how = context.requestHeader.get(behaveHeader),
): Promise<{ name?: string }> {
  const { signal, responseHeader, responseTrailer } = context;
  switch (how) {
    case "detail":
      responseHeader.set("x-header", "h1");
      responseTrailer.set("x-trailer", "t1");
      throw new ConnectError('bad: "thing", 100 % é ✓', Code.FailedPrecondition, { "x-meta": "m", date: "never" }, [
        { desc: ErrorInfoSchema, value: { reason: "BECAUSE", domain: "parity", metadata: { a: "1" } } },
      ]);
    case "domain":
      throw new MillpondError("TASK_NOT_FOUND", "there is none");
    case "plain":
      throw new Error("secret");
    case "surrogate":
      throw new ConnectError("half \ud800 a pair", Code.NotFound);
    case "headers":
      responseHeader.append("x-header", "h1");
      responseHeader.append("x-header", "h2");
      responseHeader.append("set-cookie", "a=1");
      responseHeader.append("set-cookie", "b=2");
      responseTrailer.set("x-trailer", "t1");
      responseTrailer.append("x-trailer-bin", "AAEC");
      return { name: "headers" };
    case "forbidden":
      responseHeader.set("keep-alive", "timeout=5");
      return {};
    case "context":
      return { name: JSON.stringify(describe(context)) };
    case "big":
      return { name: "n".repeat(5_000) };
    case "huge":
      return { name: "n".repeat(400_000) };
    case "wait":
      await new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
      return {};
    case "never":
      return new Promise(() => {});
    default:
      return { name: "ok" };
  }
}

function describe(context: HandlerContext): object {
  const { url, requestMethod, protocolName, method, service, requestHeader, signal } = context;
  const headers = Object.fromEntries(
    [...requestHeader].filter(([name]) => !["user-agent", "date", "connection"].includes(name)),
  );
  const hasDeadline = context.timeoutMs() !== undefined;
  const { aborted } = signal;
  return {
    url,
    requestMethod,
    protocolName,
    method: method.name,
    service: service.typeName,
    headers,
    hasDeadline,
    aborted,
  };
}
