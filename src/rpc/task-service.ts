import { create } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { createTasks } from "../commands/create-tasks.ts";
import { updateTask } from "../commands/update-task.ts";
import { TaskSchema } from "../gen/millpond/v1/task_pb.ts";
import {
  type CreateTasksRequest,
  CreateTasksRequestSchema,
  type CreateTasksResponse,
  CreateTasksResponseSchema,
  type GetTaskResponse,
  GetTaskResponseSchema,
  type ListTasksRequest,
  ListTasksRequestSchema,
  type TaskService,
  type UpdateTaskRequest,
  UpdateTaskRequestSchema,
} from "../gen/millpond/v1/task_service_pb.ts";
import { explainTask } from "../queries/explain-task.ts";
import { getAttempts } from "../queries/get-attempts.ts";
import { getTask } from "../queries/get-task.ts";
import { queuesOfKindsFilter } from "../queries/kinds-filter.ts";
import { listTasks } from "../store/tasks.ts";
import { encodeBatch } from "../wire/batch.ts";
import { encodeBlocker } from "../wire/blocker.ts";
import { createTasksBytes } from "../wire/create-tasks-reader.ts";
import { writeCreatedTasks } from "../wire/created-task-bytes.ts";
import { decodeId, decodeNewBatch, decodeNewTask } from "../wire/new-task.ts";
import { decodePage, encodePageToken } from "../wire/page-token.ts";
import { encodeAttempt, encodeTask } from "../wire/task.ts";
import { isPlainTask, writeTaskAnswer } from "../wire/task-bytes.ts";
import { applyUpdate, checkEtag, decodeUpdateMask } from "../wire/task-update.ts";
import { changeItems } from "./change-items.ts";
import { checkWebhooks } from "./check-webhooks.ts";
import { addCounts, streamCounts } from "./counts.ts";
import { isJsonCall } from "./is-json-call.ts";
import { filtersOf, listFilter } from "./list-filters.ts";
import { nameMissing } from "./name-missing.ts";
import { namingParent } from "./naming-parent.ts";
import { applyReports } from "./reports.ts";
import { namesOf, type RpcDeps, requestKey } from "./rpc-deps.ts";
import { streamReports } from "./stream-reports.ts";
import { uploadTasks } from "./upload-tasks.ts";

/** The RPCs of TaskService that this version has. */
export function createTaskService(deps: RpcDeps): Partial<ServiceImpl<typeof TaskService>> {
  return {
    createTasks: (request, context) => create_(deps, request, context),
    uploadTasks: (requests, context) => uploadTasks(deps, requests, context),
    getTask: (request, context) => get(deps, request.taskId, context),
    listTasks: (request) => list(deps, request),
    updateTask: (request) => update(deps, request),
    explainTask: (request) => explain(deps, request.taskId),
    reportTasks: (request, context) => applyReports(deps, request, context),
    streamReports: (requests, context) => streamReports(deps, requests, context),
    addCounts: (request) => addCounts(deps, request),
    streamCounts: (requests, context) => streamCounts(deps, requests, context),
    ...changeItems(deps),
  };
}

async function create_(
  deps: RpcDeps,
  request: CreateTasksRequest,
  context: HandlerContext,
): Promise<CreateTasksResponse> {
  const { target } = request;
  checkWebhooks(deps.urlGuard, request.tasks, target.case === "newBatch" ? target.value : undefined);
  const creating = createTasks(deps.engine, {
    ...requestKey(CreateTasksRequestSchema, request, () => createTasksBytes(request)),
    target:
      target.case === "batchId"
        ? { case: "batch", batchId: decodeId(deps.ids, target.value, "BATCH_NOT_FOUND") }
        : { case: "newBatch", ...decodeNewBatch(target.value) },
    tasks: request.tasks.map((task, n) => decodeNewTask(task, `tasks[${n}]`, deps.ids)),
    ...{ validateOnly: request.validateOnly, answers: "tasks" },
  });
  const created = await nameMissing(target.case === "batchId" ? target.value : "", creating).catch((error: unknown) => {
    throw namingParent(deps.ids, error);
  });
  // What is found while nothing is created exists; what repeats an earlier task of the request would be new.
  const exists = (id: bigint): boolean =>
    !request.validateOnly || !created.tasks.some((task) => task.id === id && !task.deduplicated);
  const tasks = created.tasks.map(({ id, status, deduplicated }, n) => {
    const taskId = (deduplicated || !request.validateOnly) && exists(id) ? deps.ids.encode(id) : "";
    return { key: request.tasks[n]?.key ?? "", status: status as never, deduplicated, taskId };
  });
  if (isJsonCall(context) || request.validateOnly) {
    const batch = encodeBatch(created.batch, deps.ids);
    if (request.validateOnly && target.case !== "batchId") batch.batchId = "";
    return create(CreateTasksResponseSchema, { batch, tasks });
  }
  const response = create(CreateTasksResponseSchema);
  response.$unknown = writeCreatedTasks({ batch: created.batch, ids: deps.ids }, tasks);
  return response;
}

async function get(deps: RpcDeps, taskId: string, context: HandlerContext): Promise<GetTaskResponse> {
  const { engine } = deps;
  const id = decodeId(deps.ids, taskId, "TASK_NOT_FOUND");
  const task = await nameMissing(taskId, getTask(deps.taskReads, id));
  const attempts = await getAttempts(engine.db, task);
  const names = await namesOf(deps, [task, ...attempts.map(({ worker }) => ({ queue: task.queue, worker }))]);
  const told = attempts.map((record) => encodeAttempt(record, task, names));
  if (isJsonCall(context) || !isPlainTask(task))
    return create(GetTaskResponseSchema, { task: encodeTask(task, names), attempts: told });
  const response = create(GetTaskResponseSchema);
  response.$unknown = writeTaskAnswer(task, told, { ...names, specs: deps.specs });
  return response;
}

async function explain(deps: RpcDeps, taskId: string) {
  const { engine, workers, roster, hosts } = deps;
  // Workers that have come to this server just now are in the table, too.
  const known = { waitsFor: (queue: number) => workers.waitsFor(queue), settle: () => roster.settle() };
  const id = decodeId(deps.ids, taskId, "TASK_NOT_FOUND");
  const wanted = { namespaceId: engine.namespaceId, id, workers: known, hosts };
  const explaining = explainTask(engine.db, wanted, (queue) => engine.dictionaries.queue(queue));
  const { task, blockers } = await nameMissing(taskId, explaining);
  return {
    task: encodeTask(task, await namesOf(deps, [task])),
    blockers: blockers.map((blocker) => encodeBlocker(blocker, deps.ids)),
  };
}

async function update(deps: RpcDeps, request: UpdateTaskRequest) {
  const given = request.task ?? create(TaskSchema);
  const fields = decodeUpdateMask(request.updateMask?.paths ?? []);
  const id = decodeId(deps.ids, given.taskId, "TASK_NOT_FOUND");
  const updating = updateTask(deps.engine, {
    ...requestKey(UpdateTaskRequestSchema, request),
    ...{ id, fields },
    checkEtag: (task) => checkEtag(task, given.etag),
    edit: (task) => applyUpdate(task, given, { fields, mergeMetadata: request.mergeMetadata }),
  });
  const task = await nameMissing(given.taskId, updating);
  return { task: encodeTask(task, await namesOf(deps, [task])) };
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
