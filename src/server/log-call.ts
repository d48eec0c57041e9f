import type { DescMethod } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import type { Logger } from "pino";
import type { Call } from "./call.ts";
import { codeName } from "./code-name.ts";

/** The codes that say that the server, not the caller, failed. */
const serverFaults: ReadonlySet<Code> = new Set([Code.Internal, Code.Unknown, Code.DataLoss]);

/**
 * Writes the access log's line of one call: who called what and how it ended, never a message, a header or a secret.
 * Health checks are at debug, what the server got wrong at warn, everything else at info.
 */
export function logCall(
  logger: Logger,
  ended: { call: Call; method: DescMethod; code: Code | undefined; durationMs?: number },
): void {
  const { call, method, code, durationMs } = ended;
  const line = {
    requestId: call.requestId,
    method: `${method.parent.typeName}/${method.name}`,
    protocol: call.protocol,
    code: codeName(code),
    ...(durationMs !== undefined && { durationMs: Math.round(durationMs * 1000) / 1000 }),
    peer: call.peer,
  };
  if (code !== undefined && serverFaults.has(code)) logger.warn(line, "call");
  else if (method.parent.typeName === "grpc.health.v1.Health") logger.debug(line, "call");
  else logger.info(line, "call");
}
