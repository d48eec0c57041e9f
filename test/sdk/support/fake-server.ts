import { once } from "node:events";
import http2 from "node:http2";
import type { AddressInfo } from "node:net";
import type { DescMethod } from "@bufbuild/protobuf";
import type { ConnectError, Interceptor } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { BatchService, EventService, TaskService, WorkerService } from "@millpond/sdk";
import { FakeEngine } from "./fake-engine.ts";

/** A call that reached the fake server. */
export interface SeenCall {
  readonly method: string;
  readonly header: Headers;
  readonly message: unknown;
}

/** FakeServer is what {@link startFakeServer} answers. */
export interface FakeServer extends AsyncDisposable {
  readonly url: string;
  readonly engine: FakeEngine;
  /** Every call that arrived, in order, those that were made to fail included. */
  readonly calls: SeenCall[];
  /** Makes the next calls of a method fail, before they do anything or, with `answerLost`, after they did it. */
  failNext(method: DescMethod, error: ConnectError, options?: { times?: number; answerLost?: boolean }): void;
  /** Breaks every connection, as a crash would. */
  breakConnections(): void;
}

interface PlannedFailure {
  readonly method: DescMethod;
  readonly error: ConnectError;
  readonly answerLost: boolean;
}

/**
 * startFakeServer starts a test double of a Millpond server for what clients do: a real HTTP/2 listener before an engine
 * in memory. Its calls can be made to fail and its connections broken.
 */
export async function startFakeServer(): Promise<FakeServer> {
  const engine = new FakeEngine();
  const calls: SeenCall[] = [];
  const failures: PlannedFailure[] = [];
  const sessions = new Set<http2.ServerHttp2Session>();

  const watchCalls: Interceptor = (next) => async (request) => {
    calls.push({ method: request.method.name, header: request.header, message: request.message });
    const planned = failures.findIndex(({ method }) => method === request.method);
    if (planned === -1) return next(request);
    const [failure] = failures.splice(planned, 1);
    if (failure?.answerLost) await next(request);
    throw failure?.error;
  };
  const server = http2.createServer(
    connectNodeAdapter({
      interceptors: [watchCalls],
      routes: (router) => {
        router.service(TaskService, engine.tasks);
        router.service(WorkerService, engine.workers);
        router.service(EventService, engine.events);
        router.service(BatchService, engine.batches);
      },
    }),
  );
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const breakConnections = () => {
    for (const session of sessions) session.socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    engine,
    calls,
    failNext(method, error, { times = 1, answerLost = false } = {}) {
      failures.push(...Array.from({ length: times }, () => ({ method, error, answerLost })));
    },
    breakConnections,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      breakConnections();
      await closed;
    },
  };
}
