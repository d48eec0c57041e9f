import { fromJson, type JsonValue } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { type CreateTasksRequest, CreateTasksRequestSchema, type FieldViolation, fieldViolations } from "@millpond/sdk";
import { isMap, isSeq } from "yaml";
import type { CommandFailure } from "../command-failure.ts";
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
    explain: (error) => explain(error, source, reader.offsets),
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

function explain(error: unknown, source: SourceText, offsets: ReadonlyMap<string, number>): CommandFailure | undefined {
  const violations = fieldViolations(error).filter(({ field }) => field !== "");
  if (!(error instanceof ConnectError) || violations.length === 0) return undefined;
  const messageOf = ({ field, description }: FieldViolation) =>
    // Of a single one, the message of the error says the way out, too.
    violations.length === 1 && error.rawMessage.startsWith(field) ? error.rawMessage : `${field}: ${description}`;
  const problems = violations.map((each) => ({ offset: nearest(each.field, offsets), message: messageOf(each) }));
  return refusal(source, problems);
}

/** Where a field stands, or else what holds it. */
function nearest(path: string, offsets: ReadonlyMap<string, number>): number {
  for (let at = path; at !== ""; at = at.slice(0, Math.max(0, ...[".", "["].map((sign) => at.lastIndexOf(sign))))) {
    const offset = offsets.get(at);
    if (offset !== undefined) return offset;
  }
  return 0;
}
