from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from google.protobuf.struct_pb2 import Value

from millpond import from_struct, from_value, to_struct, to_value


@pytest.mark.parametrize(
    "json",
    [
        None,
        True,
        False,
        0,
        -7,
        1.5,
        1e100,
        2**53,
        2**60,
        "",
        "naïve 世界 🚀",
        [],
        {},
        [1, [2, [None]], {}],
        {"": 1, "nested": {"list": [{"deep": True}]}},
    ],
)
def test_json_comes_back_as_it_went(json: Any) -> None:
    back = from_value(Value.FromString(to_value(json).SerializeToString()))
    assert back == json


def test_whole_numbers_come_back_as_integers() -> None:
    assert [type(from_value(to_value(number))) for number in (7, 7.0, 7.5, True)] == [int, int, float, bool]


def test_tuples_are_lists_and_mappings_are_objects() -> None:
    assert from_value(to_value({"pair": (1, 2)})) == {"pair": [1, 2]}
    assert from_struct(to_struct({"a": {"b": 1}})) == {"a": {"b": 1}}


def test_a_value_that_is_not_set_is_none() -> None:
    assert from_value(Value()) is None


def test_an_empty_list_is_not_nothing() -> None:
    assert to_value([]).HasField("list_value")
    assert to_value({}).HasField("struct_value")


@pytest.mark.parametrize("thing", [object(), b"bytes", {1, 2}, 1j, date(2026, 1, 1), {1: "a"}, [object()]])
def test_what_is_no_json_is_a_type_error(thing: Any) -> None:
    with pytest.raises(TypeError):
        to_value(thing)


@pytest.mark.parametrize("thing", [float("nan"), float("inf"), 2**53 + 1, -(2**53) - 1, 10**400, "\ud800"])
def test_what_json_cannot_say_is_a_value_error(thing: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (each has its own text)
        to_value(thing)


def test_what_holds_itself_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(ValueError, match="nested more than 30 deep"):
        to_value(circle)


def test_what_is_taken_can_be_read_by_everybody() -> None:
    deep: Any = {}
    for _ in range(29):
        deep = {"in": deep}
    assert from_value(Value.FromString(to_value(deep).SerializeToString())) == deep
    with pytest.raises(ValueError, match="nested"):
        to_value({"in": deep})
