import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { isMillponds, isTransient } from "./errors.ts";

/** What is answered by who does not know a method, or what an answer should be. */
const strangeCodes: ReadonlySet<Code> = new Set([Code.Unimplemented, Code.Unknown, Code.Internal]);

/** What the libraries put before why a message cannot be written; a server that uses them says the same of an answer, with headers. */
const notWritten = /^serialize binary: /;

/**
 * nameAddress names the server's address in every error that is not of Millpond itself: what the connection, a proxy, or somebody else's server says means little
 * without. Where it looks as if somebody else had answered, or an earlier version, it says so. A connection that broke is UNAVAILABLE, whatever Node.js calls it. A request that cannot be
 * written, as of a number that its field cannot hold, is INVALID_ARGUMENT: nobody was asked.
 */
export function nameAddress(address: string): Interceptor {
  return (next) => async (request) => {
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: named(response.message, address) } : response;
    } catch (error) {
      throw withAddress(error, address);
    }
  };
}

async function* named<T>(messages: AsyncIterable<T>, address: string): AsyncGenerator<T, void, undefined> {
  try {
    yield* messages;
  } catch (error) {
    throw withAddress(error, address);
  }
}

function withAddress(error: unknown, address: string): unknown {
  if (!(error instanceof ConnectError) || isMillponds(error)) return error;
  if (notWritten.test(error.rawMessage) && [...error.metadata].length === 0) {
    const message = `the request cannot be sent: ${error.rawMessage.replace(notWritten, "")}`;
    return new ConnectError(message, Code.InvalidArgument, error.metadata, undefined, error.cause);
  }
  const isBroken = isTransient(error);
  if (error.code === Code.Canceled && !isBroken) return error;
  const hint =
    strangeCodes.has(error.code) && !isBroken
      ? "; is this the address of a Millpond server? One that is older than this SDK does not know all of its calls"
      : "";
  const { metadata, cause, rawMessage } = error;
  const code = isBroken ? Code.Unavailable : error.code;
  const renamed = new ConnectError(`${address}: ${rawMessage}${hint}`, code, metadata, undefined, cause);
  renamed.details = error.details;
  return renamed;
}
