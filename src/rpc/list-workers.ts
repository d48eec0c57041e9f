import { type ListWorkersRequest, ListWorkersRequestSchema } from "../gen/millpond/v1/worker_service_pb.ts";
import { listWorkers as readWorkers } from "../queries/list-workers.ts";
import { decodeNamePage, encodeNamePageToken } from "../wire/page-token.ts";
import { encodeWorker } from "../wire/worker.ts";
import { filtersOf } from "./list-filters.ts";
import { namesOf, type RpcDeps } from "./rpc-deps.ts";

/** ListWorkers. */
export async function listWorkers(deps: RpcDeps, request: ListWorkersRequest) {
  const { engine, roster, ids } = deps;
  const filters = filtersOf(ListWorkersRequestSchema, request);
  const page = decodeNamePage(request, filters);
  await roster.settle();
  const select = { ...page, namespaceId: engine.namespaceId, kinds: request.kinds };
  const { workers, nextAfter } = await readWorkers(engine.db, select, (name) => roster.runningOf(name));
  const attempts = workers.flatMap(({ running }) => running.map(({ queue }) => ({ queue, worker: null })));
  const { kindOf } = await namesOf(deps, attempts);
  return {
    workers: workers.map((worker) => encodeWorker(worker, { ids, kindOf })),
    nextPageToken: encodeNamePageToken(nextAfter, filters),
  };
}
