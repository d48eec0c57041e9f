// Producers that stream counts to tasks as fast as these are acknowledged, over one connection.
import { create } from "@bufbuild/protobuf";
import { createClient, type StreamCountsRequest, StreamCountsRequestSchema } from "@millpond/sdk";
import { monotonicMs, readJob, sayLine } from "./program-job.ts";

/** CountLoadJob is what this program does. */
export interface CountLoadJob {
  readonly url: string;
  readonly taskIds: readonly string[];
  readonly producers: number;
  /** Items of one message, each with one count of one task. */
  readonly itemsPerMessage: number;
  /** Messages of one producer that may be without an acknowledgement. */
  readonly unacknowledgedMax: number;
  /** For how long acknowledgements are not counted, and then for how long they are. */
  readonly warmUpMs: number;
  readonly measureMs: number;
}

const job = await readJob<CountLoadJob>();
const client = createClient({ address: job.url });
const beganMs = monotonicMs();
const warmAtMs = beganMs + job.warmUpMs;
const endAtMs = warmAtMs + job.measureMs;
let measured = 0;
const totals = await Promise.all(Array.from({ length: job.producers }, (_, n) => produce(`producer ${n}`, n)));
sayLine({
  counts: measured,
  rate: measured / (job.measureMs / 1000),
  total: totals.reduce((sum, total) => sum + total, 0),
});
client.close();
process.exit();

/** Sends until the time is over; answers how many counts were acknowledged in all. */
async function produce(producerId: string, place: number): Promise<number> {
  const items = itemsOf(place);
  let [sent, acknowledged] = [0, 0];
  let onAcknowledged = () => {};
  async function* messages(): AsyncGenerator<StreamCountsRequest> {
    while (monotonicMs() < endAtMs) {
      if (sent - acknowledged < job.unacknowledgedMax) {
        sent += 1;
        yield create(StreamCountsRequestSchema, { producerId, sequence: BigInt(sent), counts: items });
      } else await new Promise<void>((resolve) => (onAcknowledged = resolve));
    }
  }
  for await (const { acknowledgedSequence, rejections } of client.tasks.streamCounts(messages())) {
    if (rejections.length > 0) throw new Error(`${rejections.length} counts were refused`);
    const nowMs = monotonicMs();
    if (nowMs >= warmAtMs && nowMs < endAtMs) measured += (Number(acknowledgedSequence) - acknowledged) * items.length;
    acknowledged = Number(acknowledgedSequence);
    onAcknowledged();
  }
  if (acknowledged !== sent) throw new Error(`${producerId} sent ${sent} messages, ${acknowledged} were acknowledged`);
  return acknowledged * items.length;
}

/** The items of each message of a producer: one task after the other, from another one on for each producer. */
function itemsOf(place: number): StreamCountsRequest["counts"] {
  const { taskIds, itemsPerMessage, producers } = job;
  const from = Math.floor((place * taskIds.length) / producers);
  const counts = Array.from({ length: itemsPerMessage }, (_, n) => ({
    ...{ taskId: taskIds[(from + n) % taskIds.length] ?? "", success: 1n },
  }));
  return create(StreamCountsRequestSchema, { counts }).counts;
}
