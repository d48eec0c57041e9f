import { fromJson, fromJsonString, type JsonValue, toJsonString } from "@bufbuild/protobuf";
import { ValueSchema } from "@bufbuild/protobuf/wkt";
import { claimTasks, releaseClaims } from "../commands/claim-tasks.ts";
import { endStarts } from "../commands/end-starts.ts";
import type { Engine } from "../commands/engine.ts";
import { reportTasks } from "../commands/report-tasks.ts";
import { hostKey } from "../domain/host-key.ts";
import { plainReport, type Report, ReportAction } from "../domain/report.ts";
import type { TaskAssignment } from "../domain/task.ts";
import { Execution, FailureCause, TaskStatus } from "../domain/task-status.ts";
import { NewTaskSchema } from "../gen/millpond/v1/task_pb.ts";
import { AssignmentSchema } from "../gen/millpond/v1/worker_pb.ts";
import { startDeadline } from "../lib/deadline.ts";
import { type ClaimedTask, loadAssignments } from "../queries/load-assignments.ts";
import { namesOf, type RpcDeps } from "../rpc/rpc-deps.ts";
import { queuesWithReadyTasks } from "../store/attempts.ts";
import type { Queue } from "../store/dictionaries.ts";
import type { WebhookSecrets } from "../store/webhook-secrets.ts";
import { handleUrl } from "../webhooks/handle-token.ts";
import type { HostPlaces } from "../webhooks/host-places.ts";
import type { StartOutcome } from "../webhooks/start-call.ts";
import type { StartCaller } from "../webhooks/start-caller.ts";
import { type ClaimedStarts, type HostedStart, StartLoop } from "../webhooks/start-loop.ts";
import type { Webhook } from "../webhooks/webhook-request.ts";
import { jsonBytesMax, valueText } from "../wire/json.ts";
import { encodeAssignment, type Names } from "../wire/task.ts";
import { decodeWebhook, webhookText } from "./webhook-message.ts";

/** No call goes on for longer from its claim: more than the longest MILLPOND_WEBHOOK_TIMEOUT. `mp_attend` counts on it. */
const startCallMsMax = 15 * 60_000;
/** A call that was cut off says that nobody is there only if it had this long. */
const answerMsMin = 5_000;
const messageLengthMax = 16_384;
const codeLengthMax = 255;

/** What calls start webhooks. */
export interface WebhookStartsOptions {
  readonly deps: RpcDeps;
  readonly caller: StartCaller;
  readonly places: HostPlaces;
  /** How long a call may take. */
  readonly timeoutMs: number;
  readonly hostUrl: string;
  readonly secret: Uint8Array;
  readonly signing: WebhookSecrets;
  readonly onError: (error: unknown, during: string) => void;
  readonly onCall: (call: { readonly outcome: StartOutcome["kind"]; readonly durationMs: number }) => void;
}

interface ClaimedStart extends HostedStart {
  readonly id: bigint;
  /** When the attempt may have ended for want of an answer, by `performance.now`: no call begins then, or goes on. */
  readonly lateAtMs: number;
  /** Why there is no call that could be made. */
  readonly defect?: unknown;
}

/** Creates the loop that claims tasks with a start webhook, calls it and records what it came to. */
export function createWebhookStarts(options: WebhookStartsOptions): StartLoop<ClaimedStart> {
  const { deps } = options;
  const { dictionaries, db } = deps.engine;
  return new StartLoop<ClaimedStart>({
    readyQueues: async () => {
      await dictionaries.refreshStaleQueues();
      const queues = dictionaries.queuesWhere(isOfWebhooks).map((queue) => queue.id);
      return queues.length === 0 ? [] : queuesWithReadyTasks(db, queues);
    },
    hostOf: (queue) => dictionaries.loadedQueue(queue).host,
    claim: (queues, max) => claimStarts(options, queues, max),
    report: (start, outcome) => reportStart(options, start, outcome),
    // What rejects is told to onError, and recorded as a start that failed.
    call: (start, signal) => callInTime(start, signal, options),
    ...{ places: options.places, onError: options.onError, onCall: options.onCall },
  });
}

/** Makes a call, or as much of it as there is time for: the attempt runs into its start timeout then, and what tells of its end must not overtake a call of it. */
async function callInTime(
  start: ClaimedStart,
  signal: AbortSignal,
  { caller, timeoutMs }: Pick<WebhookStartsOptions, "caller" | "timeoutMs">,
): Promise<StartOutcome | "unanswered" | "unknown"> {
  if (start.defect !== undefined) throw start.defect;
  const leftMs = start.lateAtMs - performance.now();
  // The server was held up.
  if (leftMs <= 0) return "unknown";
  // Who gives a receiver less time than that has no word on whether it is there: others call it, too.
  const enoughMs = Math.min(timeoutMs, answerMsMin);
  const deadline = startDeadline(signal, leftMs);
  try {
    return await caller.call(start, deadline.signal);
  } catch (error) {
    if (deadline.expired() && !signal.aborted) return leftMs >= enoughMs ? "unanswered" : "unknown";
    throw error;
  } finally {
    deadline.clear();
  }
}

/** Whether a queue's tasks are started by webhooks. */
export function isOfWebhooks(queue: Queue): boolean {
  return queue.execution === Execution.WEBHOOK;
}

async function reportStart({ deps }: WebhookStartsOptions, start: ClaimedStart, outcome: StartOutcome): Promise<void> {
  const [result] = await reportTasks(deps.engine, [reportOf(start, outcome)], { brief: true });
  // Refused: the attempt is over or has been reported on already. The outcome has come too late, and what tells of the end may have waited for it; not of a success,
  // which the receiver has reported.
  if (result?.error !== undefined && result.state?.status !== TaskStatus.SUCCESS) await endStarts(deps.engine, [start]);
}

async function claimStarts(
  options: WebhookStartsOptions,
  queues: readonly number[],
  max: number,
): Promise<ClaimedStarts<ClaimedStart>> {
  const { deps } = options;
  const { engine } = deps;
  const claimedAtMs = performance.now();
  const claimed = await claimTasks(engine, { queues, places: max });
  if (claimed.tasks.length === 0) return { starts: [], more: claimed.more };
  try {
    const [{ loaded, left }, secrets] = await Promise.all([
      loadAssignments(engine, claimed.tasks),
      options.signing.of(engine.namespaceId),
    ]);
    const names = await namesOf(
      deps,
      loaded.map((assignment) => assignment.task),
    );
    await giveBack(engine, left);
    const starts = loaded.map((assignment) => startOf(options, assignment, { names, secrets, claimedAtMs }));
    return { starts, more: claimed.more || left.length > 0 };
  } catch (error) {
    // Nobody has been called yet. Where the database is away, their start timeouts return them.
    await giveBack(engine, claimed.tasks).catch(() => {});
    throw error;
  }
}

/** Lets go of what will not be called: to be claimed again, or, where it has ended meanwhile, for what tells of that. */
async function giveBack(engine: Engine, tasks: readonly ClaimedTask[]): Promise<void> {
  if (tasks.length === 0) return;
  await releaseClaims(engine, tasks);
  await endStarts(engine, tasks);
}

/** What the calls of one claim have in common. */
interface ClaimContext {
  readonly names: Names;
  readonly secrets: readonly Uint8Array[];
  readonly claimedAtMs: number;
}

/** The call of one attempt; one that cannot be made fails alone. */
function startOf(
  options: WebhookStartsOptions,
  { task, parents }: TaskAssignment,
  { names, secrets, claimedAtMs }: ClaimContext,
): ClaimedStart {
  const { deps, hostUrl, secret } = options;
  const { host } = deps.engine.dictionaries.loadedQueue(task.queue);
  const attempt = {
    ...{ id: task.id, taskId: deps.ids.encode(task.id), attempt: task.attempt, secrets },
    ...{ lateAtMs: claimedAtMs + Math.min(task.startTimeoutMs, startCallMsMax), sharesQueue: host === "" },
  };
  try {
    const webhook = webhookOf(task.spec);
    return {
      ...{ ...attempt, webhook, host: host || hostKey(webhook.url) },
      handle: handleUrl({ ...attempt, hostUrl, secret }),
      defaultBody: toJsonString(AssignmentSchema, encodeAssignment(task, parents, names)),
    };
  } catch (defect) {
    return { ...attempt, webhook: { url: "" }, host, handle: "", defaultBody: "", defect };
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
