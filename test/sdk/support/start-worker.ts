import {
  type ClientOptions,
  createClient,
  createWorker,
  type MillpondClient,
  type TaskWorker,
  type WorkerOptions,
} from "@millpond/sdk";
import { onTestFinished, vi } from "vitest";
import { type FakeServer, startFakeServer } from "./fake-server.ts";

/** Looks again every few milliseconds until nothing is thrown, for at most ten seconds. */
export const waitFor = (condition: () => void): Promise<void> =>
  vi.waitFor(condition, { timeout: 10_000, interval: 5 });

/** A worker on a fake server; all of it ends with the test. */
export async function startWorker(
  options: Partial<WorkerOptions> = {},
  clientOptions: Partial<ClientOptions> = {},
): Promise<{
  server: FakeServer;
  client: MillpondClient;
  worker: TaskWorker;
  countCalls: (method: string) => number;
}> {
  const server = await startFakeServer();
  const client = createClient({
    address: server.url,
    retry: { initialBackoffMs: 1, maxBackoffMs: 5 },
    ...clientOptions,
  });
  const worker = createWorker({ client, workerId: "w1", ...options });
  onTestFinished(async () => {
    await worker.stop();
    client.close();
    await server[Symbol.asyncDispose]();
  });
  const countCalls = (method: string) => server.calls.filter((call) => call.method === method).length;
  return { server, client, worker, countCalls };
}
