// Many watchers of one filter, over a few connections: how soon and how many events they get.
import { fromBinary } from "@bufbuild/protobuf";
import { timestampMs } from "@bufbuild/protobuf/wkt";
import { EventService } from "@millpond/sdk";
import { openGrpcStreams } from "../support/grpc-streams.ts";
import { Histogram } from "../support/histogram.ts";
import { readJob, sayLine } from "./program-job.ts";

/** WatchLoadJob is what this program does. It says a line when every watcher has its first message, then one for each phase. */
export interface WatchLoadJob {
  readonly url: string;
  readonly connections: number;
  readonly streamsPerConnection: number;
  /** The request message, in base64. */
  readonly message: string;
  /** How many events each watcher gets, phase by phase. */
  readonly phases: readonly number[];
}

/** WatchPhase is what the watchers saw of a phase. Latencies are in ms, from an event's time to the arrival of the message that tells it. */
export type WatchPhase = {
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  /** Messages that all watchers got together. */
  readonly messages: number;
};

interface Known {
  readonly events: number;
  readonly atMs: number;
}

/** On each connection. */
const openingMax = 20;
const job = await readJob<WatchLoadJob>();
const watchers = job.connections * job.streamsPerConnection;
const { path } = pathOf();
/** What messages say, by their cursors: the same message comes thousands of times. */
const known = new Map<string, Known>();
let phase = -1;
let [left, startedAtMs, messages] = [watchers, 0, 0];
let latencies = new Histogram();
for (let n = 0; n < job.connections; n++) {
  const got = new Map<number, number>();
  const socket = await openGrpcStreams({
    ...{ url: job.url, path, request: Buffer.from(job.message, "base64"), streams: job.streamsPerConnection },
    openingMax,
    onMessage: (stream, message) => {
      if (got.has(stream)) count(got, stream, message);
      else {
        got.set(stream, 0);
        watcherIsDone();
      }
    },
    onEnd: (why) => {
      console.error(why);
      process.exit(1);
    },
  });
  socket.resume();
}

function count(got: Map<number, number>, stream: number, message: Buffer): void {
  const { events, atMs } = told(message);
  if (events === 0) return;
  const nowMs = performance.timeOrigin + performance.now();
  if (startedAtMs === 0) startedAtMs = atMs;
  messages++;
  latencies.add(nowMs - atMs);
  const sum = (got.get(stream) ?? 0) + events;
  const due = job.phases[phase] as number;
  if (sum > due) throw new Error(`a watcher got ${sum} events of a phase of ${due}`);
  got.set(stream, sum === due ? 0 : sum);
  if (sum === due) watcherIsDone();
}

function watcherIsDone(): void {
  left--;
  if (left > 0) return;
  if (phase === -1) sayLine({ ready: true });
  else {
    const seconds = (performance.timeOrigin + performance.now() - startedAtMs) / 1000;
    sayLine({ seconds, p50: latencies.percentile(0.5), p99: latencies.percentile(0.99), messages });
  }
  phase++;
  [left, startedAtMs, messages, latencies] = [watchers, 0, 0, new Histogram()];
}

/** The cursor stands first. */
function told(message: Buffer): Known {
  const key = message.toString("latin1", 2, 2 + (message[1] as number));
  let found = known.get(key);
  if (found === undefined) {
    const { message: said } = fromBinary(EventService.method.watchEvents.output, message);
    const events = said.case === "events" ? said.value.events : [];
    found = { events: events.length, atMs: events[0]?.eventTime === undefined ? 0 : timestampMs(events[0].eventTime) };
    known.set(key, found);
  }
  return found;
}

function pathOf(): { path: string } {
  const { parent, name } = EventService.method.watchEvents;
  return { path: `/${parent.typeName}/${name}` };
}
