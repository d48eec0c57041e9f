import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import type { Logger } from "pino";
import { callKey } from "../call.ts";
import { abortCause } from "./abort-cause.ts";
import { type AnyRequest, observeStream } from "./observe-call.ts";

/** Turns an error that callers are meant to see into one for the wire; undefined for any other. */
export type ErrorMapper = (error: unknown) => ConnectError | undefined;

/**
 * Makes every failure one for the wire. Errors that `mapError` knows become what it says; ConnectErrors, the reasons of
 * deadlines, cancellations and shutdown among them, pass unchanged; anything else is a defect, is logged with its stack
 * and answers INTERNAL with nothing but the request id. A unary call ends when its deadline passes (DEADLINE_EXCEEDED)
 * or its caller turns away (CANCELED), whether or not its service has noticed.
 */
export function errors(options: { mapError: ErrorMapper; logger: Logger }): Interceptor {
  return (next) => async (request) => {
    const translate = (error: unknown) => translateError(error, request, options);
    try {
      if (!request.stream) return await whileWanted(next(request), request);
      const response = await next(request);
      return response.stream ? { ...response, message: observeStream(response.message, { translate }) } : response;
    } catch (error) {
      throw translate(error);
    }
  };
}

function translateError(
  error: unknown,
  request: AnyRequest,
  { mapError, logger }: { mapError: ErrorMapper; logger: Logger },
): ConnectError {
  if (request.signal.aborted && isAbort(error, request.signal)) return abortCause(request.signal.reason);
  if (error instanceof ConnectError) return error;
  const mapped = mapError(error);
  if (mapped !== undefined) return mapped;
  const { requestId } = request.contextValues.get(callKey);
  const method = `${request.service.typeName}/${request.method.name}`;
  logger.error({ err: error, requestId, method }, "a call failed with an unexpected error");
  return new ConnectError(`internal error (request id ${requestId})`, Code.Internal);
}

/** Whether an error only says that the call's signal was aborted. */
function isAbort(error: unknown, signal: AbortSignal): boolean {
  return (
    error === signal.reason ||
    (error instanceof Error && (error.name === "AbortError" || error.name === "TimeoutError"))
  );
}

/**
 * Settles with the work, or rejects when the call's deadline passes or its caller turns away before. A server that is
 * stopping lets the work end.
 */
function whileWanted<T>(work: Promise<T>, request: AnyRequest): Promise<T> {
  const { abandonment } = request.contextValues.get(callKey);
  if (abandonment === undefined) return whileNotAborted(work, request.signal);
  return new Promise((resolve, reject) => {
    abandonment.onAbandoned((reason) => reject(abortCause(reason)));
    work.then(resolve, reject);
  });
}

async function whileNotAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: unwanted, reject } = Promise.withResolvers<never>();
  const onAbort = () => {
    const cause = abortCause(signal.reason);
    if (cause.code !== Code.Unavailable) reject(cause);
  };
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    return await Promise.race([work, unwanted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
