import { Code, ConnectError } from "@connectrpc/connect";

const codesByNodeCode: Readonly<Record<string, Code>> = {
  ...{ ECONNREFUSED: Code.Unavailable, ENOTFOUND: Code.Unavailable, EAI_AGAIN: Code.Unavailable },
  ETIMEDOUT: Code.Unavailable,
  ...{ ECONNRESET: Code.Aborted, ERR_HTTP2_INVALID_STREAM: Code.Aborted, ERR_STREAM_DESTROYED: Code.Aborted },
};

/**
 * nodeError is the ConnectError for what Node.js threw during a call, with the codes that connect-node gives, and the
 * error as its cause: `isTransient` goes by that.
 */
export function nodeError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  const error = ConnectError.from(reason, codeOf(reason));
  error.cause = reason;
  return error;
}

function codeOf(reason: unknown): Code {
  for (let cause = reason; cause instanceof Error; cause = cause.cause) {
    const code = "code" in cause ? codesByNodeCode[String(cause.code)] : undefined;
    if (code !== undefined) return code;
  }
  return Code.Internal;
}
