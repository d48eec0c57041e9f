import { create, createFileRegistry, type DescMessage, setExtension } from "@bufbuild/protobuf";
import {
  FieldOptionsSchema,
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import { FieldRulesSchema, field as fieldOption } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

/** A message with `map<string, Items> by_name = 1`, where `Items` has `repeated int32 items = 1` of at most two: the contract has no such map. */
export function boundedMap(): DescMessage {
  const options = create(FieldOptionsSchema);
  setExtension(options, fieldOption, create(FieldRulesSchema, { type: { case: "repeated", value: { maxItems: 2n } } }));
  const optional = { label: Label.OPTIONAL };
  const key = { ...optional, name: "key", jsonName: "key", number: 1, type: Type.STRING };
  const value = {
    ...optional,
    name: "value",
    jsonName: "value",
    number: 2,
    type: Type.MESSAGE,
    typeName: ".test.Items",
  };
  const entries = { name: "by_name", jsonName: "byName", number: 1, label: Label.REPEATED, type: Type.MESSAGE };
  const items = { name: "items", jsonName: "items", number: 1, label: Label.REPEATED, type: Type.INT32, options };
  const file = create(FileDescriptorProtoSchema, {
    ...{ name: "test.proto", package: "test", syntax: "proto3" },
    messageType: [
      { name: "Items", field: [items] },
      {
        name: "Named",
        field: [{ ...entries, typeName: ".test.Named.ByNameEntry" }],
        nestedType: [{ name: "ByNameEntry", field: [key, value], options: { mapEntry: true } }],
      },
    ],
  });
  return createFileRegistry(file, () => undefined).getMessage("test.Named") as DescMessage;
}
