import { fromJson, fromJsonString, type JsonValue, toJsonString } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { claimTasks, releaseClaims } from "../commands/claim-tasks.ts";
import { reportTasks } from "../commands/report-tasks.ts";
import { plainReport, type Report, ReportAction } from "../domain/report.ts";
import { Execution, FailureCause } from "../domain/task-status.ts";
import { NewTaskSchema } from "../gen/millpond/v1/task_pb.ts";
import { AssignmentSchema } from "../gen/millpond/v1/worker_pb.ts";
import { type LoadedAssignment, loadAssignments } from "../queries/load-assignments.ts";
import { namesOf, type RpcDeps } from "../rpc/rpc-deps.ts";
import { handleUrl } from "../webhooks/handle-token.ts";
import type { StartCall, StartOutcome } from "../webhooks/start-call.ts";
import type { StartCaller } from "../webhooks/start-caller.ts";
import { createStartLoop, type StartLoop } from "../webhooks/start-loop.ts";
import type { Webhook } from "../webhooks/webhook-request.ts";
import { jsonBytesMax, valueText } from "../wire/json.ts";
import { encodeAssignment, type Names } from "../wire/task.ts";
import { decodeWebhook, webhookText } from "./webhook-message.ts";

const messageLengthMax = 16_384;
const codeLengthMax = 255;

/** What calls start webhooks. */
export interface WebhookStartsOptions {
  readonly deps: RpcDeps;
  readonly caller: StartCaller;
  readonly concurrency: number;
  readonly hostUrl: string;
  readonly secret: Uint8Array;
  readonly onError: (error: unknown, during: string) => void;
  readonly onCall: (call: { readonly outcome: StartOutcome["kind"]; readonly durationMs: number }) => void;
}

interface ClaimedStart extends StartCall {
  readonly id: bigint;
  /** Why there is no call that could be made. */
  readonly defect?: unknown;
}

/** Creates the loop that claims tasks with a start webhook, calls it and records what it came to. */
export function createWebhookStarts(options: WebhookStartsOptions): StartLoop {
  const { deps } = options;
  return createStartLoop<ClaimedStart>({
    claim: (max) => claimStarts(options, max),
    report: async (start, outcome) => {
      // A refusal means that the attempt is over or has been reported on already: the outcome has come too late, and nothing is lost.
      await reportTasks(deps.engine, [reportOf(start, outcome)]);
    },
    // What rejects here is told to onError, and recorded as a start that failed.
    caller: {
      call: async (start, signal) => {
        if (start.defect !== undefined) throw start.defect;
        return options.caller.call(start, signal);
      },
    },
    ...{ concurrency: options.concurrency, perHostMax: options.concurrency },
    ...{ onError: options.onError, onCall: options.onCall },
  });
}

async function claimStarts(options: WebhookStartsOptions, max: number): Promise<ClaimedStart[]> {
  const { engine } = options.deps;
  await engine.dictionaries.refreshStaleQueues();
  const queues = engine.dictionaries
    .queuesWhere((queue) => queue.execution === Execution.WEBHOOK)
    .map((queue) => queue.id);
  if (queues.length === 0) return [];
  const claimed = await claimTasks(engine, { queues, places: max });
  if (claimed.tasks.length === 0) return [];
  try {
    const { loaded, left } = await loadAssignments(engine.db, engine.namespaceId, claimed.tasks);
    const names = await namesOf(
      options.deps,
      loaded.map((assignment) => assignment.task),
    );
    await releaseClaims(engine, left);
    return loaded.map((assignment) => startOf(options, assignment, names));
  } catch (error) {
    // Nobody has been called yet. Where the database is away, their start timeouts return them.
    await releaseClaims(engine, claimed.tasks).catch(() => {});
    throw error;
  }
}

/** The call of one attempt; one that cannot be made fails alone. */
function startOf(options: WebhookStartsOptions, { task, parents }: LoadedAssignment, names: Names): ClaimedStart {
  const attempt = { id: task.id, taskId: options.deps.ids.encode(task.id), attempt: task.attempt };
  try {
    return {
      ...{ ...attempt, webhook: webhookOf(task.spec) },
      handle: handleUrl({ ...attempt, hostUrl: options.hostUrl, secret: options.secret }),
      defaultBody: toJsonString(AssignmentSchema, encodeAssignment(task, parents, names)),
    };
  } catch (defect) {
    return { ...attempt, webhook: { url: "" }, handle: "", defaultBody: "", defect };
  }
}

function webhookOf(spec: string | null): Webhook {
  const { execution } = fromJsonString(NewTaskSchema, spec ?? "{}");
  if (execution.case !== "onStart") throw new Error("a task in a queue of webhooks has none");
  return decodeWebhook(execution.value);
}

/** What is recorded of a call. An answer that says more than a report may hold fails the attempt. */
function reportOf(start: ClaimedStart, outcome: StartOutcome): Report {
  try {
    return outcomeReport(start, outcome);
  } catch (error) {
    const message = `the answer cannot be taken as a report: ${error instanceof Error ? error.message : String(error)}`;
    return outcomeReport(start, { kind: "rejected", message, code: "INVALID_ANSWER" });
  }
}

function outcomeReport(start: ClaimedStart, outcome: StartOutcome): Report {
  const base = { ...plainReport, id: start.id, attempt: start.attempt };
  const failure = { ...base, action: ReportAction.FAILURE, cause: FailureCause.START_FAILED };
  switch (outcome.kind) {
    case "started": {
      const { cancelWebhook: cancel } = outcome;
      return { ...base, action: ReportAction.STARTED, cancelWebhook: cancel ? webhookText(cancel, "cancel") : null };
    }
    case "success":
      return { ...base, action: ReportAction.SUCCESS, output: jsonText(outcome.output, "success.output") };
    case "failure":
      return {
        ...{ ...failure, cause: FailureCause.REPORTED },
        message: storable(outcome.message, messageLengthMax),
        code: storable(outcome.code, codeLengthMax),
        details: jsonText(outcome.details, "failure.details"),
        ...{ nonRetryable: outcome.nonRetryable, retryDelayMs: outcome.retryDelayMs ?? null },
      };
    case "failed": {
      const { code, retryAfterMs: retryDelayMs = null } = outcome;
      return { ...failure, message: storable(outcome.message, messageLengthMax), code, retryDelayMs };
    }
    case "rejected": {
      const message = storable(outcome.message, messageLengthMax);
      return { ...failure, message, code: outcome.code, nonRetryable: true };
    }
    case "forbidden":
      return { ...failure, message: outcome.message, code: "URL_FORBIDDEN", nonRetryable: true };
  }
}

/** JSON of an answer as a report's is stored. Throws for what a report may not hold. */
function jsonText(value: unknown, field: string): string | null {
  if (value === undefined || value === null) return null;
  // The answer was parsed from JSON.
  return valueText(fromJson(ValueSchema, value as JsonValue), { field, bytesMax: jsonBytesMax.details });
}

/** Text of an answer cut to what a report's may be; what PostgreSQL does not know is replaced. */
function storable(text: string, lengthMax: number): string {
  return text.slice(0, lengthMax).replaceAll("\0", "\ufffd").toWellFormed();
}
