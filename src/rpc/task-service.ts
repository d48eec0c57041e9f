import { create } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { cancelTasks } from "../commands/cancel-tasks.ts";
import { createTasks } from "../commands/create-tasks.ts";
import { MillpondError } from "../domain/errors.ts";
import type { NewTask } from "../gen/millpond/v1/task_pb.ts";
import {
  CancelTasksRequestSchema,
  type CreateTasksRequest,
  CreateTasksRequestSchema,
  type CreateTasksResponse,
  CreateTasksResponseSchema,
  type ListTasksRequest,
  ListTasksRequestSchema,
  type TaskService,
} from "../gen/millpond/v1/task_service_pb.ts";
import { getTask } from "../queries/get-task.ts";
import { queuesOfKindsFilter } from "../queries/kinds-filter.ts";
import { listTasks } from "../store/tasks.ts";
import { checkHeaders } from "../webhooks/header-rules.ts";
import { encodeBatch } from "../wire/batch.ts";
import { checkNewBatch, decodeId, decodeNewTask } from "../wire/new-task.ts";
import { decodePage, encodePageToken } from "../wire/page-token.ts";
import { encodeItemResult } from "../wire/report.ts";
import { encodeTask } from "../wire/task.ts";
import { filtersOf, listFilter } from "./list-filters.ts";
import { nameMissing, naming } from "./name-missing.ts";
import { applyReports } from "./reports.ts";
import { namesOf, type RpcDeps, requestKey } from "./rpc-deps.ts";

/** The RPCs of TaskService that this version has. */
export function createTaskService(deps: RpcDeps): Partial<ServiceImpl<typeof TaskService>> {
  return {
    createTasks: (request) => create_(deps, request),
    getTask: async (request) => {
      const id = decodeId(deps.ids, request.taskId, "TASK_NOT_FOUND");
      const task = await nameMissing(request.taskId, getTask(deps.engine.db, deps.engine.namespaceId, id));
      return { task: encodeTask(task, await namesOf(deps, [task])) };
    },
    listTasks: (request) => list(deps, request),
    reportTasks: async (request) => ({ results: await applyReports(deps, request.reports) }),
    cancelTasks: async (request) => {
      const results = await cancelTasks(deps.engine, {
        ...requestKey(CancelTasksRequestSchema, request),
        ids: request.taskIds.map((id) => deps.ids.decode(id)),
        reason: request.reason,
      });
      const names = await namesOf(
        deps,
        results.flatMap((result) => result.state ?? []),
      );
      return {
        results: results.map(({ state, error }, n) =>
          encodeItemResult({ state, error: naming(error, request.taskIds[n] ?? "") }, names),
        ),
      };
    },
  };
}

async function create_(deps: RpcDeps, request: CreateTasksRequest): Promise<CreateTasksResponse> {
  const { target } = request;
  for (const [n, task] of request.tasks.entries()) checkWebhook(deps, task, `tasks[${n}]`);
  const creating = createTasks(deps.engine, {
    ...requestKey(CreateTasksRequestSchema, request),
    target:
      target.case === "batchId"
        ? { case: "batch", batchId: decodeId(deps.ids, target.value, "BATCH_NOT_FOUND") }
        : {
            case: "newBatch",
            ...(target.case === "newBatch" ? checkNewBatch(target.value) : { name: "", metadata: "{}", open: false }),
          },
    tasks: request.tasks.map((task, n) => decodeNewTask(task, `tasks[${n}]`, deps.ids)),
    validateOnly: request.validateOnly,
  });
  const created = await nameMissing(target.case === "batchId" ? target.value : "", creating).catch((error: unknown) => {
    throw namingParent(deps, error);
  });
  const batch = encodeBatch(created.batch, deps.ids);
  if (request.validateOnly && target.case !== "batchId") batch.batchId = "";
  return create(CreateTasksResponseSchema, {
    batch,
    tasks: created.tasks.map(({ id, status }, n) => ({
      ...{ key: request.tasks[n]?.key ?? "", status: status as never },
      taskId: request.validateOnly ? "" : deps.ids.encode(id),
    })),
  });
}

/** Gives an error about a parent that was not found its id, as callers know it. */
function namingParent(deps: RpcDeps, error: unknown): unknown {
  if (!(error instanceof MillpondError) || error.reason !== "UNKNOWN_DEPENDENCY") return error;
  const { cause, message, violations } = error;
  if (!(cause instanceof MillpondError)) return error;
  const metadata = { dependency: deps.ids.encode(BigInt(cause.metadata.id ?? 0)) };
  return new MillpondError("UNKNOWN_DEPENDENCY", message, { metadata, violations, cause: error });
}

function checkWebhook(deps: RpcDeps, task: NewTask, field: string): void {
  if (task.execution.case !== "onStart") return;
  const { url, headers } = task.execution.value;
  const forbidden = deps.urlGuard.check(url);
  if (forbidden !== undefined) {
    const violations = [{ field: `${field}.on_start.url`, description: forbidden }];
    throw new MillpondError("URL_FORBIDDEN", `${field}.on_start.url: ${forbidden}`, { metadata: { url }, violations });
  }
  const wrong = checkHeaders(headers);
  if (wrong !== undefined) {
    const violations = [{ field: `${field}.on_start.headers`, description: wrong }];
    throw new MillpondError("INVALID_FIELD", `${field}.on_start.headers: ${wrong}`, { violations });
  }
}

async function list(deps: RpcDeps, request: ListTasksRequest) {
  const { engine } = deps;
  const filters = filtersOf(ListTasksRequestSchema, request);
  const page = await listTasks(
    engine.db,
    {
      ...listFilter(request, engine.namespaceId),
      // A batch that cannot be one of this database has no tasks.
      batchId: request.batchId === "" ? undefined : (deps.ids.decode(request.batchId) ?? -1n),
      queues: await queuesOfKindsFilter(engine.dictionaries, engine.namespaceId, request.kinds),
    },
    decodePage(request, filters),
  );
  const names = await namesOf(deps, page.rows);
  return {
    tasks: page.rows.map((task) => encodeTask(task, names)),
    nextPageToken: encodePageToken(page.nextBefore, filters),
  };
}
