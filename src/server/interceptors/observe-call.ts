import type { Interceptor, StreamRequest, StreamResponse, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { isPushed, type PushedStream, pushTo } from "../../lib/pushed-stream.ts";
import { isConnectionLoss } from "../connection-loss.ts";
import { abortCause } from "./abort-cause.ts";

/** A request as interceptors see it. */
export type AnyRequest = UnaryRequest | StreamRequest;

/** A response as interceptors see it. */
export type AnyResponse = UnaryResponse | StreamResponse;

/** What the next interceptor, and in the end the service, does with a request. */
export type Next = Parameters<Interceptor>[0];

/**
 * Runs a call and reports its end exactly once: undefined when it succeeded, else the status code. A stream ends when
 * its last message has been taken or its caller has turned away, which is CANCELED unless a deadline says otherwise.
 */
export async function observeCall(
  next: Next,
  request: AnyRequest,
  onEnd: (code: Code | undefined) => void,
): Promise<AnyResponse> {
  try {
    const response = await next(request);
    if (!response.stream) {
      onEnd(undefined);
      return response;
    }
    const onStreamEnd = (end: StreamEnd) => onEnd(codeOfEnd(end, request.signal));
    return { ...response, message: observeStream(response.message, { onEnd: onStreamEnd }) };
  } catch (error) {
    onEnd(ConnectError.from(error, Code.Internal).code);
    throw error;
  }
}

/** How a stream ended: its source had no more, it failed, or its consumer turned away. */
export type StreamEnd = { kind: "finished" } | { kind: "failed"; error: unknown } | { kind: "abandoned" };

interface StreamObserver {
  readonly translate?: (error: unknown) => unknown;
  readonly onEnd?: (end: StreamEnd) => void;
}

/** Passes a stream on, translating the error that ends it and reporting its end exactly once. One that writes by itself goes on doing so. */
export function observeStream<T>(source: AsyncIterable<T>, observer: StreamObserver): AsyncIterable<T> {
  const observed = { [Symbol.asyncIterator]: () => observeIterator(source[Symbol.asyncIterator](), observer) };
  if (!isPushed(source)) return observed;
  const pushed: PushedStream<T> = { ...observed, [pushTo]: (sink) => observePush(source[pushTo](sink), observer) };
  return pushed;
}

/** A push whose caller has turned away rejects with that. */
async function observePush(pushing: Promise<void>, observer: StreamObserver): Promise<void> {
  const { translate = (error) => error, onEnd } = observer;
  try {
    await pushing;
  } catch (error) {
    const translated = translate(error);
    onEnd?.({ kind: "failed", error: translated });
    throw translated;
  }
  onEnd?.({ kind: "finished" });
}

function observeIterator<T>(
  source: AsyncIterator<T>,
  { translate = (error) => error, onEnd }: StreamObserver,
): AsyncIterator<T> {
  let ended = false;
  const end = (how: StreamEnd) => {
    if (ended) return;
    ended = true;
    onEnd?.(how);
  };
  const watch = async (step: Promise<IteratorResult<T>>): Promise<IteratorResult<T>> => {
    try {
      const result = await step;
      if (result.done === true) end({ kind: "finished" });
      return result;
    } catch (error) {
      const translated = translate(error);
      end({ kind: "failed", error: translated });
      throw translated;
    }
  };
  return {
    next: () => watch(source.next()),
    throw: (reason) => {
      // It is called when an answer could not be written; that nobody is there to read it is no defect of the service.
      const cause = isConnectionLoss(reason) ? abortCause(reason) : reason;
      return watch(source.throw?.(cause) ?? Promise.reject(cause));
    },
    return: (value) => {
      end({ kind: "abandoned" });
      return source.return?.(value) ?? Promise.resolve({ done: true, value });
    },
  };
}

function codeOfEnd(end: StreamEnd, signal: AbortSignal): Code | undefined {
  switch (end.kind) {
    case "finished":
      return undefined;
    case "failed":
      return ConnectError.from(end.error, Code.Internal).code;
    case "abandoned":
      return abortCause(signal.reason).code;
  }
}
