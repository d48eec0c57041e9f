import { fromJson, type JsonObject, toJson } from "@bufbuild/protobuf";
import type { Validator } from "@bufbuild/protovalidate";
import { codeToHttpStatus, errorToJson } from "@connectrpc/connect/protocol-connect";
import { invalidField, MillpondError } from "../domain/errors.ts";
import type { TaskState } from "../domain/task.ts";
import { type TaskReport, TaskReportSchema } from "../gen/millpond/v1/report_pb.ts";
import { TaskSchema } from "../gen/millpond/v1/task_pb.ts";
import { toConnectError } from "../rpc/errors.ts";
import { takeReports } from "../rpc/reports.ts";
import { namesOf, type RpcDeps } from "../rpc/rpc-deps.ts";
import { answerTaskHandle, type HandleResult } from "../webhooks/task-handle.ts";
import { encodeTaskState } from "../wire/task.ts";
import type { HttpRoute } from "./http-routes.ts";

/** What the handle of an attempt is served with. */
export interface TaskHandleOptions {
  readonly deps: RpcDeps;
  readonly secret: Uint8Array;
  readonly validator: Validator;
  readonly onError: (error: unknown) => void;
}

/** The route behind the handles that start webhooks are given: a TaskReport as JSON, by plain HTTP. */
export function createTaskHandleRoute({ deps, secret, validator, onError }: TaskHandleOptions): HttpRoute {
  const encodeError = (error: MillpondError) => {
    const mapped = toConnectError(error);
    if (mapped === undefined) throw error;
    return { status: codeToHttpStatus(mapped.code), body: errorToJson(mapped, undefined) };
  };
  return {
    methods: ["POST", "PATCH"],
    path: "/task/:taskId",
    // Its URL is the secret of who executes one attempt, which is a program: no page has a reason to hold it.
    closedToPages: true,
    handle: (request) =>
      answerTaskHandle<TaskReport>(
        {
          url: `/task/${request.params.taskId}?${request.query}`,
          headers: request.headers,
          body: request.body,
        },
        {
          secret,
          decodeReport: (json, taskId, attempt) => decode({ json, taskId, attempt, validator }),
          report: (report) => apply(deps, report),
          encodeError,
          onError,
        },
      ),
  };
}

function decode({
  json,
  taskId,
  attempt,
  validator,
}: {
  json: unknown;
  taskId: string;
  attempt: number;
  validator: Validator;
}): TaskReport {
  let report: TaskReport;
  try {
    report = fromJson(TaskReportSchema, { ...(json as JsonObject), taskId, attempt });
  } catch (error) {
    throw new MillpondError("INVALID_FIELD", `the body is no TaskReport: ${(error as Error).message}`, {
      cause: error,
    });
  }
  const checked = validator.validate(TaskReportSchema, report);
  if (checked.kind === "valid") return report;
  const [violation] = checked.violations ?? [];
  throw invalidField(
    violation?.field.map((part) => ("name" in part ? part.name : "")).join(".") || "report",
    violation?.message ?? "is no valid TaskReport",
  );
}

async function apply(deps: RpcDeps, report: TaskReport): Promise<HandleResult> {
  const [result] = await takeReports(deps, [report]);
  if (result === undefined) throw new Error("a report had no result");
  if (result.error !== undefined) return { ok: false, error: result.error };
  const state = result.state as TaskState;
  return { ok: true, task: toJson(TaskSchema, encodeTaskState(state, await namesOf(deps, [state]))) };
}
