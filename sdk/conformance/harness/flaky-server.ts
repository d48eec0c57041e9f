import { create, toBinary } from "@bufbuild/protobuf";
import { type Server as GrpcServer, type ServerDuplexStream, type ServerWritableStream, status } from "@grpc/grpc-js";
import { WatchEventsResponseSchema, WorkResponseSchema } from "@millpond/sdk";

/** FlakyMethods is what a server does that welcomes every stream and breaks it at once, and what it remembers of that. */
export interface FlakyMethods {
  /** How many milliseconds have passed between one stream and the next, in order. */
  readonly pausesMs: readonly number[];
}

type AnsweredStream = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

const raw = (bytes: Buffer): Buffer => bytes;
const streamed = {
  ...{ requestStream: false, responseStream: true },
  ...{ requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw },
};

/** addFlakyMethods makes a server answer each WatchEvents with a checkpoint, whose cursor is a new one, and each Work with a welcome, and end both with UNAVAILABLE. */
export function addFlakyMethods(server: GrpcServer): FlakyMethods {
  const pausesMs: number[] = [];
  let lastAtMs: number | undefined;
  const breakWith = (call: AnsweredStream, welcome: Uint8Array) => {
    const nowMs = performance.now();
    if (lastAtMs !== undefined) pausesMs.push(nowMs - lastAtMs);
    lastAtMs = nowMs;
    call.write(Buffer.from(welcome));
    call.emit("error", { code: status.UNAVAILABLE, details: "not now" });
  };
  const watchEvents = (call: AnsweredStream) => {
    const checkpoint = { cursor: `after ${pausesMs.length}`, message: { case: "checkpoint" as const, value: {} } };
    breakWith(call, toBinary(WatchEventsResponseSchema, create(WatchEventsResponseSchema, checkpoint)));
  };
  const work = (call: AnsweredStream) => {
    const welcome = { message: { case: "welcome" as const, value: {} } };
    breakWith(call, toBinary(WorkResponseSchema, create(WorkResponseSchema, welcome)));
  };
  const watchPath = "/millpond.v1.EventService/WatchEvents";
  server.addService({ WatchEvents: { path: watchPath, ...streamed } }, { WatchEvents: watchEvents });
  const workPath = "/millpond.v1.WorkerService/Work";
  server.addService({ Work: { path: workPath, ...streamed, requestStream: true } }, { Work: work });
  return { pausesMs };
}
