import { create, toBinary } from "@bufbuild/protobuf";
import {
  type Server as GrpcServer,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { ListLogsResponseSchema, WatchEventsResponseSchema, WorkResponseSchema } from "@millpond/sdk";

/** FlakyMethods is what a server does that welcomes every stream and breaks it at once, and what it remembers of that. */
export interface FlakyMethods {
  /** How many milliseconds have passed between one stream, or call, and the next, in order. */
  readonly pausesMs: readonly number[];
}

/** So many pages of a log are empty and come at once, whatever the call waits for; the one after them is the last. */
const emptyPages = 8;

type AnsweredStream = ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>;

const raw = (bytes: Buffer): Buffer => bytes;
const streamed = {
  ...{ requestStream: false, responseStream: true },
  ...{ requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw },
};

/**
 * addFlakyMethods makes a server answer each WatchEvents with a checkpoint, whose cursor is a new one, and each Work with a welcome, and end both with UNAVAILABLE. It answers ListLogs at once with
 * an empty page, for a while, and then says that the attempt has ended.
 */
export function addFlakyMethods(server: GrpcServer): FlakyMethods {
  const pausesMs: number[] = [];
  let lastAtMs: number | undefined;
  const comesBack = () => {
    const nowMs = performance.now();
    if (lastAtMs !== undefined) pausesMs.push(nowMs - lastAtMs);
    lastAtMs = nowMs;
  };
  const breakWith = (call: AnsweredStream, welcome: Uint8Array) => {
    comesBack();
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
  const listLogs = (_: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => {
    comesBack();
    const page = { nextCursor: "here", attemptEnded: pausesMs.length >= emptyPages };
    answer(null, Buffer.from(toBinary(ListLogsResponseSchema, create(ListLogsResponseSchema, page))));
  };
  const watchPath = "/millpond.v1.EventService/WatchEvents";
  server.addService({ WatchEvents: { path: watchPath, ...streamed } }, { WatchEvents: watchEvents });
  const workers = "/millpond.v1.WorkerService";
  server.addService(
    {
      Work: { path: `${workers}/Work`, ...streamed, requestStream: true },
      ListLogs: { path: `${workers}/ListLogs`, ...streamed, responseStream: false },
    },
    { Work: work, ListLogs: listLogs },
  );
  return { pausesMs };
}
