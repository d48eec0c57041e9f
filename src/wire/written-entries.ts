import type { UnknownField } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";

/**
 * writtenEntries makes the entries of a repeated field, written by a ProtoWriter, the value of an unknown field of a message: the library writes it as it
 * stands, after the fields that it knows, and adds the first tag itself. None: no field.
 *
 * @param field at most 15, so that the first tag is one byte
 */
export function writtenEntries(field: number, entries: Uint8Array): UnknownField[] {
  if (entries.length === 0) return [];
  return [{ no: field, wireType: WireType.LengthDelimited, data: entries.subarray(1) }];
}
