import { create } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { releaseClaims } from "../commands/claim-tasks.ts";
import { extendLeases, type LeaseResult } from "../commands/extend-leases.ts";
import { invalidField } from "../domain/errors.ts";
import type { TaskAssignment } from "../domain/task.ts";
import {
  type ClaimTasksRequest,
  type ClaimTasksResponse,
  ClaimTasksResponseSchema,
  type ExtendLeasesRequest,
  type WorkerService,
} from "../gen/millpond/v1/worker_service_pb.ts";
import { type ClaimedTask, loadAssignments } from "../queries/load-assignments.ts";
import { writeAssignments } from "../wire/assignment-bytes.ts";
import { encodeItemError } from "../wire/report.ts";
import { encodeAssignment } from "../wire/task.ts";
import type { TaskNames } from "../wire/task-bytes.ts";
import { millisOf, timestamp } from "../wire/time.ts";
import { isJsonCall } from "./is-json-call.ts";
import { listWorkers } from "./list-workers.ts";
import { append, list } from "./logs.ts";
import { naming } from "./name-missing.ts";
import { namesOf, type RpcDeps } from "./rpc-deps.ts";
import { work } from "./work.ts";

const leaseMsDefault = 30_000;
const leaseMsMin = 1_000;

/** The RPCs of WorkerService that this version has. */
export function createWorkerService(deps: RpcDeps): Partial<ServiceImpl<typeof WorkerService>> {
  return {
    work: (requests, context) => work(deps, requests, context),
    claimTasks: (request, context) => claim(deps, request, context),
    extendLeases: (request) => extend(deps, request),
    appendLogs: (request) => append(deps, request),
    listLogs: (request, context) => list(deps, request, context),
    listWorkers: (request) => listWorkers(deps, request),
  };
}

async function claim(deps: RpcDeps, request: ClaimTasksRequest, context: HandlerContext) {
  const { engine } = deps;
  const { workerId, kinds, labels, maxTasks } = request;
  deps.roster.claims(workerId, { kinds, labels, slots: Math.max(maxTasks, 1) });
  const claimed = await deps.workers.claim({
    ...{ kinds, labels, signal: context.signal },
    worker: await engine.dictionaries.internWorker(engine.namespaceId, workerId),
    max: Math.max(maxTasks, 1),
    leaseMs: leaseMsOf(request.lease),
    waitMs: Math.min(request.waitTimeout === undefined ? 0 : millisOf(request.waitTimeout), deps.claimWaitMaxMs),
  });
  if (claimed.length === 0) return { assignments: [] };
  let answered: readonly ClaimedTask[] = [];
  try {
    const { loaded, left } = await loadAssignments(engine, claimed);
    // Who has turned away meanwhile has not been told: all of it is given back below.
    if (isGone(context.signal)) throw context.signal.reason;
    const tasks = loaded.map((assignment) => assignment.task);
    const names = { ...(await namesOf(deps, tasks)), specs: deps.specs };
    const response = encode(loaded, names, context);
    answered = tasks;
    deps.roster.handed(workerId, tasks);
    await releaseClaims(engine, left);
    return response;
  } catch (error) {
    const kept = new Set(answered.map((task) => task.id));
    // Where the database is away, leases run out by themselves.
    await releaseClaims(
      engine,
      claimed.filter((task) => !kept.has(task.id)),
    ).catch(() => {});
    throw error;
  }
}

/** Whether the caller has turned away, or its deadline has passed. A server that is stopping still answers. */
function isGone({ aborted, reason }: AbortSignal): boolean {
  return aborted && !(reason instanceof ConnectError && reason.code === Code.Unavailable);
}

/** Writes the answer: as its bytes, for callers that take those; they are the one field of the message, unknown to the library. */
function encode(loaded: readonly TaskAssignment[], names: TaskNames, context: HandlerContext): ClaimTasksResponse {
  const response = create(ClaimTasksResponseSchema);
  if (loaded.length === 0) return response;
  if (isJsonCall(context))
    response.assignments = loaded.map(({ task, parents }) => encodeAssignment(task, parents, names));
  else response.$unknown = [{ no: 1, wireType: WireType.LengthDelimited, data: writeAssignments(loaded, names) }];
  return response;
}

async function extend(deps: RpcDeps, request: ExtendLeasesRequest) {
  const results = await extendLeases(deps.engine, {
    workerName: request.workerId,
    leases: request.leases.map((lease) => ({ id: deps.ids.decode(lease.taskId), attempt: lease.attempt })),
    leaseMs: leaseMsOf(request.lease),
  });
  noteLeases(deps, request, results);
  return {
    results: results.map(({ leaseUntil, error, status, cancelRequested }, n) => ({
      ...{
        lease: { taskId: request.leases[n]?.taskId ?? "", attempt: request.leases[n]?.attempt ?? 0 },
        cancelRequested,
      },
      result:
        leaseUntil === undefined
          ? {
              case: "error" as const,
              value: encodeItemError(naming(error, request.leases[n]?.taskId ?? ""), status),
            }
          : { case: "leaseExpireTime" as const, value: timestamp(leaseUntil) },
    })),
  };
}

/** An extension is a sign of life of the worker, and tells what it has. */
function noteLeases(
  { roster, ids }: RpcDeps,
  { workerId, leases }: ExtendLeasesRequest,
  results: readonly LeaseResult[],
): void {
  roster.heard(workerId);
  const kept = leases.flatMap(({ taskId, attempt }, n) => {
    const id = results[n]?.leaseUntil === undefined ? undefined : ids.decode(taskId);
    return id === undefined ? [] : [{ id, attempt }];
  });
  roster.handed(workerId, kept);
}

function leaseMsOf(lease: Duration | undefined): number {
  if (lease === undefined) return leaseMsDefault;
  const millis = millisOf(lease);
  if (millis < leaseMsMin) throw invalidField("lease", `${millis} ms is too short; at least ${leaseMsMin} ms`);
  return millis;
}
