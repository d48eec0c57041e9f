import { fromJson } from "@bufbuild/protobuf";
import { type Rule, RuleSchema, UpdateBatchRulesRequestSchema } from "@millpond/sdk";
import { isMap, isSeq, type Node } from "yaml";
import type { CommandFailure } from "../command-failure.ts";
import { explainViolations } from "../graph-file/explain-violations.ts";
import { MessageReader, Unreadable } from "../graph-file/message-reader.ts";
import { parseSource, refusal, type SourceText } from "../graph-file/source-text.ts";
import { readText } from "../input/read-text.ts";

/** RulesFile is a file that holds rules. */
export interface RulesFile {
  readonly rules: readonly Rule[];
  /** What a server's refusal of the rules means for the file, with lines and columns; undefined: the error is of another sort. */
  explain(error: unknown): CommandFailure | undefined;
}

/**
 * readRulesFile reads YAML or JSON of a list of rules, or of a mapping with the list as `rules`; `-` is standard input. `path` is what servers
 * call the list in what they refuse. Fails with a CommandFailure that lists what is wrong and where.
 */
export async function readRulesFile(file: string, path: string): Promise<RulesFile> {
  const source = parseSource(await readText(file), file);
  const reader = new MessageReader(source);
  const json = readList(source, reader, path);
  if (reader.problems.length > 0) throw refusal(source, reader.problems);
  return {
    rules: json.map((rule) => fromJson(RuleSchema, rule)),
    explain: (error) => explainViolations(error, source, reader.offsets),
  };
}

function readList(source: SourceText, reader: MessageReader, path: string) {
  const { contents } = source.document;
  const list = isMap(contents) ? (contents.get("rules", true) as Node | undefined) : contents;
  const { rules } = UpdateBatchRulesRequestSchema.field;
  if (!isSeq(list) || rules.fieldKind !== "list") {
    throw refusal(source, [{ offset: 0, message: "it holds no list of rules; [] is one without any" }]);
  }
  try {
    return reader.list(list, rules, path);
  } catch (error) {
    if (error instanceof Unreadable) throw refusal(source, [error.problem]);
    throw error;
  }
}
