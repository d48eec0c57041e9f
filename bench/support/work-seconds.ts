import { type CreateTasksRequest, CreateTasksRequestSchema } from "@millpond/sdk";
import type { SdkWorkerJob } from "../programs/sdk-worker.ts";
import type { BenchContext } from "./bench-context.ts";
import { checkAllSucceeded } from "./check-all-succeeded.ts";
import { callGrpc, encodeRequest } from "./grpc-load.ts";

const path = "/millpond.v1.TaskService/CreateTasks";

/** createsInFlight is how many calls that create tasks are under way at once. */
export const createsInFlight = 4;

/** Work is what is created and executed. */
export interface Work {
  /** Sent again and again: its tasks are of one kind and do not depend on each other. */
  readonly request: CreateTasksRequest;
  readonly kind: string;
  readonly slots: number;
  /** How many are executed before, and are not measured; 0 with a backlog. */
  readonly warmUp: number;
  readonly tasks: number;
  /** All are there before the worker starts. */
  readonly backlog: boolean;
}

/**
 * workSeconds is how long it takes to create and execute tasks over gRPC, with one worker of the SDK in a process of its own, on a server and a database of
 * its own, as every peer.
 */
export async function workSeconds(context: BenchContext, work: Work): Promise<number> {
  return await context.withDatabase("server", (databaseUrl) => secondsOn(context, databaseUrl, work));
}

async function secondsOn(context: BenchContext, databaseUrl: string, work: Work): Promise<number> {
  const { kind, slots, tasks, warmUp, backlog } = work;
  const server = await context.startServer(databaseUrl);
  const { url } = server;
  const request = encodeRequest(CreateTasksRequestSchema, work.request);
  const create = (count: number) =>
    callGrpc(context, { url, path, request, inFlight: createsInFlight, calls: count / work.request.tasks.length });
  const job: SdkWorkerJob = { url, kind, slots, warmUp, tasks };
  const startWorker = async () => {
    const worker = await context.start({ module: "sdk-worker" }, job);
    await worker.next();
    return worker;
  };
  if (backlog) await create(tasks);
  const worker = await startWorker();
  if (warmUp > 0) {
    await create(warmUp);
    await worker.next();
  }
  const created = backlog ? undefined : create(tasks);
  const ended = worker.next<{ startedAtMs: number; endedAtMs: number }>();
  const [first, { startedAtMs, endedAtMs }] = await Promise.all([created, ended]);
  await worker.process.stop();
  await checkAllSucceeded(databaseUrl);
  await server.stop();
  return (endedAtMs - (first?.startedAtMs ?? startedAtMs)) / 1000;
}
