import { create, fromJsonString, toJson, toJsonString } from "@bufbuild/protobuf";
import type { ServiceImpl } from "@connectrpc/connect";
import { updateBatchRules } from "../commands/update-batch-rules.ts";
import { MillpondError } from "../domain/errors.ts";
import type { Batch } from "../domain/task.ts";
import {
  type BatchService,
  ListRuleUsageRequestSchema,
  type UpdateBatchRulesRequest,
  UpdateBatchRulesRequestSchema,
} from "../gen/millpond/v1/batch_service_pb.ts";
import { RuleSchema } from "../gen/millpond/v1/rule_pb.ts";
import { NewTaskSchema } from "../gen/millpond/v1/task_pb.ts";
import type { RuledTask, RuledTaskRow } from "../store/batch-rules.ts";
import { listRuleUsage } from "../store/rule-usage.ts";
import { encodeBatch } from "../wire/batch.ts";
import { decodeId } from "../wire/new-task.ts";
import { decodePage, encodePageToken } from "../wire/page-token.ts";
import { checkRule, decodeRule, encodeRule } from "../wire/rule.ts";
import { optionalTimestamp } from "../wire/time.ts";
import { filtersOf } from "./list-filters.ts";
import { nameMissing } from "./name-missing.ts";
import { type RpcDeps, requestKey } from "./rpc-deps.ts";

/** The RPCs of BatchService that are about rules. */
export function batchRules(
  deps: RpcDeps,
): Pick<ServiceImpl<typeof BatchService>, "updateBatchRules" | "listRuleUsage"> {
  const { engine, ids } = deps;
  return {
    updateBatchRules: async (request) => {
      const changing = updateBatchRules(engine, {
        ...requestKey(UpdateBatchRulesRequestSchema, request),
        ...{ batchId: decodeId(ids, request.batchId, "BATCH_NOT_FOUND"), kind: request.kind },
        ...{ validateOnly: request.validateOnly, reason: request.reason },
        rules: JSON.stringify(request.rules.map((rule) => toJson(RuleSchema, rule))),
        checkEtag: (batch) => checkBatchEtag(deps, batch, request.etag),
        edit: editor(deps, request),
      });
      const { batch, updated, letIn, held } = await nameMissing(request.batchId, changing);
      return { batch: encodeBatch(batch, ids), updated: BigInt(updated), wouldStart: letIn, wouldWait: held };
    },
    listRuleUsage: async (request) => {
      const filters = filtersOf(ListRuleUsageRequestSchema, request);
      const batchId = request.batchId === "" ? undefined : decodeId(ids, request.batchId, "BATCH_NOT_FOUND");
      const filter = { namespaceId: engine.namespaceId, batchId, kind: request.kind };
      const page = await nameMissing(request.batchId, listRuleUsage(engine.db, filter, decodePage(request, filters)));
      return {
        usages: page.rows.map((usage) => ({
          ...{ rule: encodeRule(usage.rule), key: usage.key, inUse: usage.inUse, limit: usage.rule.bound },
          queuedCount: usage.queued,
          ...(usage.oldest === null ? {} : { oldestQueueTime: optionalTimestamp(usage.oldest) as never }),
        })),
        nextPageToken: encodePageToken(page.nextBefore, filters),
      };
    },
  };
}

/** Makes of each task what the new rules make of it; refuses a task that they do not go with, by its id. */
function editor(deps: RpcDeps, request: UpdateBatchRulesRequest): (task: RuledTask) => RuledTaskRow {
  const rules = request.rules.map((message, n) => decodeRule(message, `rules[${n}]`));
  return (task) => {
    for (const [n, rule] of rules.entries()) {
      try {
        checkRule(rule, { metadata: task.metadata ?? {}, expectedCount: task.expectedCount }, `rules[${n}]`);
      } catch (error) {
        if (!(error instanceof MillpondError)) throw error;
        const taskId = deps.ids.encode(task.id);
        throw new MillpondError(error.reason, `${error.message} (task ${taskId})`, {
          ...{ violations: error.violations, metadata: { ...error.metadata, task_id: taskId } },
        });
      }
    }
    const spec = task.spec === null ? create(NewTaskSchema) : fromJsonString(NewTaskSchema, task.spec);
    spec.rules = request.rules;
    const text = toJsonString(NewTaskSchema, spec);
    const metadata = task.metadata === null ? null : JSON.stringify(task.metadata);
    return { id: task.id, queue: task.queue, flow: task.flow, rules, metadata, spec: text === "{}" ? null : text };
  };
}

function checkBatchEtag(deps: RpcDeps, batch: Batch, etag: string): void {
  const current = encodeBatch(batch, deps.ids).etag;
  if (etag === "" || etag === current) return;
  const message = `etag: "${etag}" is not the batch's any more; read it again, and decide again`;
  throw new MillpondError("ETAG_MISMATCH", message, {
    metadata: { etag: current },
    violations: [{ field: "etag", description: "the batch has changed since it was read" }],
  });
}
