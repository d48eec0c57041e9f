import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { type CreateTasksRequest, CreateTasksRequestSchema } from "@millpond/sdk";
import { isMap, isSeq } from "yaml";
import type { CommandFailure } from "../command-failure.ts";
import { explainViolations } from "./explain-violations.ts";
import { MessageReader, Unreadable } from "./message-reader.ts";
import { parseSource, refusal, type SourceText } from "./source-text.ts";

/** GraphFile is a file that holds a CreateTasks request. */
export interface GraphFile {
  readonly request: CreateTasksRequest;
  /** What a server's refusal of the request means for the file, with lines and columns; undefined: the error is of another sort. */
  explain(error: unknown): CommandFailure | undefined;
}

/** readGraphFile reads YAML or JSON of a CreateTasks request, or of a list of its tasks. Fails with a CommandFailure that lists what is wrong and where. */
export function readGraphFile(text: string, path: string): GraphFile {
  return graphFileOf(parseSource(text, path));
}

/** graphFileOf is {@link readGraphFile} for what is parsed already. */
export function graphFileOf(source: SourceText): GraphFile {
  const reader = new MessageReader(source);
  const json = readRequest(source, reader);
  if (reader.problems.length > 0) throw refusal(source, reader.problems);
  return {
    request: fromJson(CreateTasksRequestSchema, json),
    explain: (error) => explainViolations(error, source, reader.offsets),
  };
}

function readRequest(source: SourceText, reader: MessageReader): JsonValue {
  const { contents } = source.document;
  const { tasks } = CreateTasksRequestSchema.field;
  try {
    if (isSeq(contents) && tasks.fieldKind === "list") return { tasks: reader.list(contents, tasks, "tasks") };
    if (isMap(contents)) return reader.message(contents, CreateTasksRequestSchema, "");
  } catch (error) {
    if (error instanceof Unreadable) throw refusal(source, [error.problem]);
    throw error;
  }
  throw refusal(source, [{ offset: 0, message: "it holds neither tasks nor a list of them" }]);
}
