import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { CreateTasksRequestSchema } from "../gen/millpond/v1/task_service_pb.ts";
import { createCreateTasksReader } from "./create-tasks-reader.ts";

/** RequestReader reads the bytes of a request as the library does; undefined: the library has to. */
export type RequestReader = (bytes: Uint8Array) => MessageShape<DescMessage> | undefined;

/** createRequestReaders makes the readers of requests that are worth one of their own. */
export function createRequestReaders(): ReadonlyMap<DescMessage, RequestReader> {
  return new Map<DescMessage, RequestReader>([[CreateTasksRequestSchema, createCreateTasksReader()]]);
}
