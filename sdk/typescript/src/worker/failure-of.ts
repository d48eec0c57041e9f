import { create, fromJson } from "@bufbuild/protobuf";
import { durationFromMs, type Value, ValueSchema } from "@bufbuild/protobuf/wkt";
import { type TaskReport, type TaskReport_Failure, TaskReport_FailureSchema } from "../gen/millpond/v1/report_pb.js";
import { AttemptAborted } from "./attempt-aborted.ts";
import { NonRetryable, TaskError } from "./task-error.ts";

/** The longest message, code and retry delay of a failure that the contract takes. */
const messageLengthMax = 16_384;
const codeLengthMax = 255;
const retryDelayMsMax = 366 * 24 * 60 * 60 * 1_000;

/** failureOf is the failure to report for what a handler threw, whatever that is. Never throws. */
export function failureOf(error: unknown): TaskReport_Failure {
  try {
    return describe(error);
  } catch (cause) {
    return create(TaskReport_FailureSchema, {
      message: wireText(`the handler threw something that cannot be reported: ${textOf(cause)}`, messageLengthMax),
      code: "ERROR_NOT_REPORTABLE",
    });
  }
}

/**
 * failureInsteadOf is what to report when the server does not take a closing report: of a success whose output is
 * refused, a failure that says so; of a failure with details, the same failure without them. Undefined: there is nothing
 * left to leave out.
 */
export function failureInsteadOf({ report }: TaskReport, refusal: string): TaskReport_Failure | undefined {
  if (report.case === "success") {
    return create(TaskReport_FailureSchema, {
      message: wireText(`the output was refused: ${refusal}`, messageLengthMax),
      code: "OUTPUT_REFUSED",
      nonRetryable: true,
    });
  }
  if (report.case !== "failure" || !report.value.details) return undefined;
  const { message, code, nonRetryable, retryDelay } = report.value;
  return create(TaskReport_FailureSchema, { message, code, nonRetryable, ...(retryDelay && { retryDelay }) });
}

/** textOf is the message of anything that was thrown. Never throws. */
export function textOf(error: unknown): string {
  try {
    if (!(error instanceof Error)) return String(error);
    const message: unknown = error.message;
    return String(message || error.name);
  } catch {
    return "it has no text";
  }
}

function describe(error: unknown): TaskReport_Failure {
  const own = error instanceof TaskError ? error : undefined;
  const details = own?.details === undefined ? undefined : detailsValue(own.details);
  const retryDelayMs = own?.retryDelayMs;
  return create(TaskReport_FailureSchema, {
    message: wireText(textOf(error), messageLengthMax),
    code: wireText(codeOf(error), codeLengthMax),
    nonRetryable: error instanceof NonRetryable,
    ...(details && { details }),
    ...(Number.isFinite(retryDelayMs) && { retryDelay: durationFromMs(retryDelayWithin(Number(retryDelayMs))) }),
  });
}

/** What `JSON.stringify` makes of the details; where it makes nothing, a text that says why. */
function detailsValue(details: unknown): Value | undefined {
  try {
    const text: string | undefined = JSON.stringify(details);
    return text === undefined ? undefined : fromJson(ValueSchema, JSON.parse(text));
  } catch (cause) {
    return fromJson(ValueSchema, `the details are no JSON: ${wireText(textOf(cause), messageLengthMax)}`);
  }
}

function retryDelayWithin(ms: number): number {
  return Math.round(Math.min(Math.max(ms, 0), retryDelayMsMax));
}

function codeOf(error: unknown): string {
  if (error instanceof AttemptAborted) return "WORKER_STOPPED";
  if (!(error instanceof Error)) return "";
  return "code" in error && typeof error.code === "string" ? error.code : "";
}

/** What the contract takes: no NUL, well-formed, of bounded length. */
function wireText(text: string, lengthMax: number): string {
  return text.replaceAll("\0", "").slice(0, lengthMax).toWellFormed();
}
