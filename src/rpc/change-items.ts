import type { ServiceImpl } from "@connectrpc/connect";
import { changeTasks } from "../commands/change-tasks.ts";
import type { ItemResult } from "../commands/report-tasks.ts";
import { retryTasks } from "../commands/retry-tasks.ts";
import { MillpondError } from "../domain/errors.ts";
import {
  CancelTasksRequestSchema,
  PauseTasksRequestSchema,
  ResumeTasksRequestSchema,
  RetryTasksRequestSchema,
  type TaskService,
} from "../gen/millpond/v1/task_service_pb.ts";
import { encodeItemResult } from "../wire/report.ts";
import { naming } from "./name-missing.ts";
import { namesOf, type RpcDeps, requestKey } from "./rpc-deps.ts";

type ChangeItems = Pick<ServiceImpl<typeof TaskService>, "cancelTasks" | "pauseTasks" | "resumeTasks" | "retryTasks">;

/** The RPCs of TaskService that change many tasks and answer for each of them. */
export function changeItems(deps: RpcDeps): ChangeItems {
  const idsOf = ({ taskIds }: { readonly taskIds: readonly string[] }) => taskIds.map((id) => deps.ids.decode(id));
  return {
    cancelTasks: async (request) => {
      const key = requestKey(CancelTasksRequestSchema, request);
      const command = { ...key, case: "cancel" as const, ids: idsOf(request), reason: request.reason };
      return answer(deps, request.taskIds, await changeTasks(deps.engine, command));
    },
    pauseTasks: async (request) => {
      const key = requestKey(PauseTasksRequestSchema, request);
      const command = { ...key, case: "pause" as const, ids: idsOf(request), reason: "" };
      return answer(deps, request.taskIds, await changeTasks(deps.engine, command));
    },
    resumeTasks: async (request) => {
      const key = requestKey(ResumeTasksRequestSchema, request);
      const command = { ...key, case: "resume" as const, ids: idsOf(request), reason: "" };
      return answer(deps, request.taskIds, await changeTasks(deps.engine, command));
    },
    retryTasks: async (request) => {
      const key = requestKey(RetryTasksRequestSchema, request);
      const command = { ...key, ids: idsOf(request), withDependents: request.withDependents };
      return answer(deps, request.taskIds, await retryTasks(deps.engine, command));
    },
  };
}

async function answer(deps: RpcDeps, taskIds: readonly string[], results: readonly ItemResult[]) {
  const names = await namesOf(
    deps,
    results.flatMap((result) => result.state ?? []),
  );
  return {
    results: results.map(({ state, error }, n) =>
      encodeItemResult({ state, error: namingBlocker(deps, naming(error, taskIds[n] ?? "")) }, names),
    ),
  };
}

/** Gives an error about a task that another one keeps from running again that one's id, as callers know it. */
function namingBlocker(deps: RpcDeps, error: MillpondError | undefined): MillpondError | undefined {
  if (error?.metadata.blocked_by === undefined) return error;
  const blocked_by = deps.ids.encode(BigInt(error.metadata.blocked_by));
  return new MillpondError(error.reason, `${error.message}: ${blocked_by}`, {
    metadata: { ...error.metadata, blocked_by },
  });
}
