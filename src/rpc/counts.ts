import { create } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import { addCounts as addCountsCommand, countRefused } from "../commands/add-counts.ts";
import type { CountOutcome } from "../commands/count-accumulator.ts";
import { type Counts, noTask } from "../domain/count-sums.ts";
import { invalidField } from "../domain/errors.ts";
import type { IdCodec } from "../domain/ids.ts";
import { type CountDelta, type CountRejection, CountRejectionSchema } from "../gen/millpond/v1/report_pb.ts";
import {
  type AddCountsRequest,
  AddCountsRequestSchema,
  type AddCountsResponse,
  AddCountsResponseSchema,
  type StreamCountsRequest,
  type StreamCountsResponse,
  StreamCountsResponseSchema,
} from "../gen/millpond/v1/task_service_pb.ts";
import { encodeItemError } from "../wire/report.ts";
import { answersWhenStopping, streamIdleMs } from "./bidi-streams.ts";
import { naming } from "./name-missing.ts";
import { type RpcDeps, requestKey } from "./rpc-deps.ts";
import { pipeline } from "./stream-pipeline.ts";

const unansweredMax = 256;

/** AddCounts: adds to counters and answers what was refused, by its place in the request. */
export async function addCounts(deps: RpcDeps, request: AddCountsRequest): Promise<AddCountsResponse> {
  const received = receive(deps.ids, request.counts);
  const key = requestKey(AddCountsRequestSchema, request);
  const refused = await addCountsCommand(deps.engine, { ...key, counts: received.counts });
  return create(AddCountsResponseSchema, { rejections: rejectionsOf(deps.ids, received, refused) });
}

/**
 * StreamCounts: adds to counters what comes as a stream, and acknowledges it when it is durable: many messages at once, where nothing of them was refused. When the
 * server stops, what has been read is acknowledged before the stream ends.
 */
export async function* streamCounts(
  deps: RpcDeps,
  requests: AsyncIterable<StreamCountsRequest>,
  { signal }: Pick<HandlerContext, "signal">,
): AsyncGenerator<StreamCountsResponse> {
  const stream = { isOver: false };
  const { counts: accumulator } = deps.engine;
  let producerId: string | undefined;
  const take = async (request: StreamCountsRequest) => {
    producerId ??= request.producerId;
    if (request.producerId !== producerId) {
      throw invalidField("producer_id", `is "${request.producerId}" now; one stream has one producer, "${producerId}"`);
    }
    const { sequence } = request;
    const received = receive(deps.ids, request.counts);
    const producer = { id: producerId, sequence, stream };
    return { sequence, received, outcome: await accumulator.submit({ counts: received.counts, producer }) };
  };
  const options = { signal, take, unansweredMax, answersAfter: answersWhenStopping, idleMs: streamIdleMs };
  let acknowledged = 0n;
  try {
    for await (const answers of pipeline(requests, { ...options, room: () => accumulator.room() })) {
      let isTold = answers.length > 0;
      for (const { sequence, received, outcome } of answers) {
        acknowledged = greatest(acknowledged, sequence, outcome.case === "repeated" ? outcome.last : 0n);
        const rejections = outcome.case === "added" ? rejectionsOf(deps.ids, received, outcome.refused) : [];
        isTold = rejections.length > 0;
        if (isTold) yield create(StreamCountsResponseSchema, { acknowledgedSequence: acknowledged, rejections });
      }
      if (!isTold) yield create(StreamCountsResponseSchema, { acknowledgedSequence: acknowledged });
    }
  } finally {
    accumulator.forget(stream);
  }
}

function greatest(...numbers: readonly bigint[]): bigint {
  return numbers.reduce((a, b) => (a > b ? a : b));
}

/** Counts as they came. `unreadable`: ids that no task can have, by their places. */
interface ReceivedCounts {
  readonly counts: Counts;
  readonly unreadable: ReadonlyMap<number, string>;
}

function receive(codec: IdCodec, deltas: readonly CountDelta[]): ReceivedCounts {
  const { length } = deltas;
  const counts = {
    ...{ ids: new BigInt64Array(length), successes: new BigInt64Array(length), failures: new BigInt64Array(length) },
  };
  const unreadable = new Map<number, string>();
  for (let n = 0; n < length; n += 1) {
    const { taskId, success, failure } = deltas[n] as CountDelta;
    const id = codec.decode(taskId);
    if (id === undefined) unreadable.set(n, taskId);
    counts.ids[n] = id ?? noTask;
    counts.successes[n] = success;
    counts.failures[n] = failure;
  }
  return { counts, unreadable };
}

function rejectionsOf(
  codec: IdCodec,
  { counts, unreadable }: ReceivedCounts,
  refused: Extract<CountOutcome, { case: "added" }>["refused"],
): CountRejection[] {
  const rejections: CountRejection[] = [];
  if (refused.size === 0) return rejections;
  for (const [index, id] of counts.ids.entries()) {
    const why = refused.get(id);
    if (why === undefined) continue;
    const error = naming(countRefused(why), unreadable.get(index) ?? codec.encode(id));
    rejections.push(create(CountRejectionSchema, { index, error: encodeItemError(error, Math.max(why, 0)) }));
  }
  return rejections;
}
