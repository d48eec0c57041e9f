import { createHash } from "node:crypto";
import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { Engine } from "../commands/engine.ts";
import type { LeaseGroups } from "../commands/keep-leases.ts";
import type { AttemptWatch } from "../dispatch/attempt-watch.ts";
import type { WaitingWorkers } from "../dispatch/waiting-workers.ts";
import type { WorkerRoster } from "../dispatch/worker-roster.ts";
import type { IdCodec } from "../domain/ids.ts";
import type { LogSource } from "../events/list-logs.ts";
import type { WatchSource } from "../events/watch-source.ts";
import type { KnownHosts } from "../queries/explain-task.ts";
import type { TaskReads } from "../queries/get-task.ts";
import { loadRowNames } from "../queries/row-names.ts";
import type { UrlGuard } from "../webhooks/url-guard.ts";
import type { SpecFieldsCache } from "../wire/spec-fields.ts";
import type { Names } from "../wire/task.ts";
import type { UploadBudget } from "./upload-budget.ts";

/** What the services are made of. */
export interface RpcDeps {
  readonly engine: Engine;
  readonly ids: IdCodec;
  readonly workers: WaitingWorkers;
  readonly roster: WorkerRoster;
  /** Of workers with streams: how often they send a heartbeat, their leases (twice as long), and their attempts. */
  readonly heartbeatMs: number;
  readonly leases: LeaseGroups;
  readonly attempts: AttemptWatch;
  /** How long streams of workers that have attempts go on when the server stops. */
  readonly workerDrainMs: number;
  readonly taskReads: TaskReads;
  /** What has been written of the specs of tasks. */
  readonly specs: SpecFieldsCache;
  readonly watch: WatchSource;
  readonly logs: LogSource;
  readonly urlGuard: UrlGuard;
  /** Which hosts of webhooks this server does not reach. */
  readonly hosts: KnownHosts;
  readonly claimWaitMaxMs: number;
  /** What UploadTasks may hold. */
  readonly uploads: UploadBudget;
  /** How long UploadTasks waits for the next part. */
  readonly uploadIdleMs: number;
}

/** Names what the numbers of some rows stand for. */
export async function namesOf(
  deps: RpcDeps,
  rows: readonly { readonly queue: number; readonly worker: number | null }[],
): Promise<Names> {
  return { ids: deps.ids, ...(await loadRowNames(deps.engine.dictionaries, rows)) };
}

/** A request_id as commands take it, with a hash of the message that carries it, as the library writes it, and of its type. */
export function requestKey<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc> & { readonly requestId: string },
  bytesOf: () => Uint8Array = () => toBinary(schema, message),
): { requestId: string | undefined; bodyHash: Buffer } {
  if (message.requestId === "") return { requestId: undefined, bodyHash: Buffer.alloc(0) };
  const bodyHash = createHash("sha256").update(schema.typeName).update(bytesOf()).digest();
  return { requestId: message.requestId, bodyHash };
}
