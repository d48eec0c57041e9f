import { Code, ConnectError, type HandlerContext } from "@connectrpc/connect";
import { invalidField } from "../domain/errors.ts";
import type { WorkerHello, WorkRequest, WorkResponse } from "../gen/millpond/v1/worker_service_pb.ts";
import { type CalledBy, isJsonCall } from "./is-json-call.ts";
import type { RpcDeps } from "./rpc-deps.ts";
import { WorkSession } from "./work-session.ts";

/** Work: a worker's whole life on one stream, from its hello on. */
export async function* work(
  deps: RpcDeps,
  requests: AsyncIterable<WorkRequest>,
  context: Pick<HandlerContext, "signal"> & CalledBy,
): AsyncGenerator<WorkResponse> {
  const { signal } = context;
  const iterator = requests[Symbol.asyncIterator]();
  const hello = await helloOf(iterator, deps.heartbeatMs * 2);
  const worker = await deps.engine.dictionaries.internWorker(deps.engine.namespaceId, hello.workerId);
  const session = new WorkSession(deps, { hello, worker, isJson: isJsonCall(context) });
  const onAbort = (): void => {
    if (signal.reason instanceof ConnectError && signal.reason.code === Code.Unavailable) session.drain(signal.reason);
    else session.end(signal.reason ?? new ConnectError("the caller turned away", Code.Canceled));
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    session.start();
    if (signal.aborted) onAbort();
    void session.read(iterator);
    yield* session.responses();
  } finally {
    signal.removeEventListener("abort", onAbort);
    session.close();
  }
}

async function helloOf(requests: AsyncIterator<WorkRequest>, withinMs: number): Promise<WorkerHello> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(
      new ConnectError(
        `no hello came within ${withinMs} ms; it is the first message of a worker`,
        Code.DeadlineExceeded,
      ),
    );
  }, withinMs);
  try {
    const first = await Promise.race([requests.next(), late]);
    if (first.done === true) throw invalidField("hello", "is missing: it is the first message of a worker");
    const { message } = first.value;
    if (message.case !== "hello") {
      throw invalidField(message.case ?? "message", "comes before hello, which is the first message of a worker");
    }
    return message.value;
  } finally {
    clearTimeout(timer);
  }
}
