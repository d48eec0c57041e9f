import { type JsonValue, ScalarType } from "@bufbuild/protobuf";
import { isScalar, type Node } from "yaml";

type Read = { readonly value: JsonValue } | { readonly problem: string };

const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const int32 = { min: -(2n ** 31n), max: 2n ** 31n - 1n };

/** readScalar reads a single value as ProtoJSON has it; what is not of the type is refused, with the way out. */
export function readScalar(node: Node | null | undefined, type: ScalarType): Read {
  const value = isScalar(node) ? node.value : undefined;
  switch (type) {
    case ScalarType.STRING:
      if (typeof value === "string") return { value };
      return { problem: isScalar(node) && value !== null ? "not a text: put it in quotes" : "not a text" };
    case ScalarType.BOOL:
      return typeof value === "boolean" ? { value } : { problem: "neither true nor false" };
    case ScalarType.INT32:
      return integer(node, int32);
    case ScalarType.INT64:
      return integer(node, int64);
    case ScalarType.DOUBLE:
      return typeof value === "number" && Number.isFinite(value) ? { value } : { problem: "not a number" };
    default:
      // The contract has no other types.
      return { problem: `of a type that this command does not know (${ScalarType[type]})` };
  }
}

/** As text: a number in YAML loses what goes beyond 53 bits. */
function integer(node: Node | null | undefined, { min, max }: { min: bigint; max: bigint }): Read {
  const text = isScalar(node)
    ? typeof node.value === "string"
      ? node.value
      : (node.source ?? String(node.value))
    : "";
  if (!/^[+-]?\d+$/.test(text)) return { problem: "not a whole number" };
  const value = BigInt(text.replace("+", ""));
  return value < min || value > max ? { problem: `not from ${min} to ${max}` } : { value: String(value) };
}
