"""Plain JSON of Python and the messages that carry it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, Union

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Struct, Value

Json: TypeAlias = Union[None, bool, int, float, str, Sequence["Json"], Mapping[str, "Json"]]  # noqa: UP007, RUF036
"""What can be JSON: nothing, truth values, numbers, texts, lists, and mappings with texts as keys."""

# Numbers travel as doubles: from here on whole numbers cannot be told from their neighbours.
_EXACT_MAX = 2**53
# What readers in other languages take: protobuf gives up at 100 messages, and a mapping is three.
_DEPTH_MAX = 30


def to_value(json: object) -> Value:
    """Make the message of JSON.

    Raises TypeError for what is no JSON, and ValueError for what JSON cannot say: infinities, NaN, whole numbers that a
    double does not hold exactly, texts that are no Unicode, and what is nested more than 30 deep or holds itself.
    """
    value = Value()
    _fill(value, json, 0)
    return value


def to_struct(json: Mapping[str, object]) -> Struct:
    """Make the message of a mapping; raises as ``to_value`` does."""
    struct = Struct()
    _fill_struct(struct, json, 0)
    return struct


def from_value(value: Value) -> Any:
    """Make JSON of a message, as ``json.loads`` does of a text.

    Whole numbers become ``int``, others ``float``; a value that is not set is None.
    """
    match value.WhichOneof("kind"):
        case "number_value":
            return _number(value.number_value)
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return from_struct(value.struct_value)
        case "list_value":
            return [from_value(item) for item in value.list_value.values]
        case _:
            return None


def from_struct(struct: Struct) -> dict[str, Any]:
    """Make a mapping of a message."""
    return {key: from_value(value) for key, value in struct.fields.items()}


def _number(number: float) -> int | float:
    return int(number) if number.is_integer() and abs(number) <= _EXACT_MAX else number


def _fill(value: Value, json: object, depth: int) -> None:
    if json is None:
        value.null_value = NULL_VALUE
    elif isinstance(json, bool):
        value.bool_value = json
    elif isinstance(json, str):
        value.string_value = json
    elif isinstance(json, (int, float)):
        value.number_value = _double(json)
    elif isinstance(json, Mapping):
        value.struct_value.SetInParent()
        _fill_struct(value.struct_value, json, depth)
    elif isinstance(json, Sequence) and not isinstance(json, (bytes, bytearray, memoryview)):
        value.list_value.SetInParent()
        _fill_list(value.list_value, json, depth)
    else:
        raise TypeError(f"a {type(json).__name__} is no JSON")


def _fill_struct(struct: Struct, json: Mapping[str, object], depth: int) -> None:
    _check_depth(depth)
    for key, item in json.items():
        if not isinstance(key, str):
            raise TypeError(f"the key {key!r} is a {type(key).__name__}; in JSON keys are texts")
        _fill(struct.fields[key], item, depth + 1)


def _fill_list(values: ListValue, json: Sequence[object], depth: int) -> None:
    _check_depth(depth)
    for item in json:
        _fill(values.values.add(), item, depth + 1)


def _check_depth(depth: int) -> None:
    if depth == _DEPTH_MAX:
        raise ValueError(f"it is nested more than {_DEPTH_MAX} deep, or holds itself")


def _double(number: float) -> float:
    if isinstance(number, int):
        if abs(number) > _EXACT_MAX and not _is_exact(number):
            raise ValueError(f"{number} is not exact as a number of JSON, which is a double; give it as text")
    elif not math.isfinite(number):
        raise ValueError(f"{number} is no number of JSON")
    return float(number)


def _is_exact(number: int) -> bool:
    try:
        return int(float(number)) == number
    except OverflowError:
        return False
