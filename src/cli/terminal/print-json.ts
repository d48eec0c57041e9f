import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf";

/** printJson writes a message as a document of ProtoJSON. */
export function printJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): void {
  process.stdout.write(`${JSON.stringify(toJson(schema, message), undefined, 2)}\n`);
}
