import { Code, ConnectError } from "@connectrpc/connect";
import { errorReason, fieldViolations, retryDelayMs } from "../src/errors.ts";
import { ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb.js";
import { ErrorReason } from "../src/gen/millpond/v1/error_reason_pb.js";

/** describeError says what was thrown, as the suite's protocol has it. */
export function describeError(error: unknown): object {
  if (!(error instanceof ConnectError)) {
    const { name, message } = error instanceof Error ? error : new Error(String(error));
    return { type: name === "Error" ? "RunnerError" : name, code: "", reason: "", message };
  }
  const reason = errorReason(error);
  return {
    type: error.name,
    code: grpcName(error.code),
    reason: reason === undefined ? "" : ErrorReason[reason],
    message: error.rawMessage,
    metadata: error.findDetails(ErrorInfoSchema)[0]?.metadata ?? {},
    violations: fieldViolations(error),
    ...(retryDelayMs(error) !== undefined && { retryDelayMs: retryDelayMs(error) }),
  };
}

/** Connect's codes are gRPC's; one is spelled otherwise. */
function grpcName(code: Code): string {
  if (code === Code.Canceled) return "CANCELLED";
  return Code[code].replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase();
}
