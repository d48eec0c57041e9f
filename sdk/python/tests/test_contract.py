"""The hand-written layer has all of the contract."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import pytest

import millpond
from millpond import _methods, aio, services, v1
from millpond.aio import services as aio_services
from millpond.gen.millpond.v1 import (
    batch_pb2,
    batch_service_pb2,
    blocker_pb2,
    delivery_pb2,
    delivery_service_pb2,
    error_reason_pb2,
    event_pb2,
    event_service_pb2,
    graph_pb2,
    log_pb2,
    report_pb2,
    rule_pb2,
    task_pb2,
    task_service_pb2,
    webhook_pb2,
    worker_pb2,
    worker_service_pb2,
)

if TYPE_CHECKING:
    from types import ModuleType

    from google.protobuf.descriptor import MethodDescriptor

SERVICE_FILES = (batch_service_pb2, delivery_service_pb2, event_service_pb2, task_service_pb2, worker_service_pb2)
FILES = (
    *SERVICE_FILES,
    batch_pb2,
    blocker_pb2,
    delivery_pb2,
    error_reason_pb2,
    event_pb2,
    graph_pb2,
    log_pb2,
    report_pb2,
    rule_pb2,
    task_pb2,
    webhook_pb2,
    worker_pb2,
)
METHODS = [
    method
    for file in SERVICE_FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
]


def test_every_message_and_enum_is_exported() -> None:
    names = {
        name for file in FILES for name in (*file.DESCRIPTOR.message_types_by_name, *file.DESCRIPTOR.enum_types_by_name)
    }
    assert set(v1.__all__) == names
    assert all(hasattr(v1, name) for name in names)


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")


@pytest.mark.parametrize("module", [services, aio_services])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_method_is_there_with_its_types(module: ModuleType, method: MethodDescriptor) -> None:
    function = getattr(getattr(module, method.containing_service.name), snake(method.name))
    assert inspect.getdoc(function)
    annotations = function.__annotations__
    taken = annotations["requests" if method.client_streaming else "request"]
    assert f"v1.{method.input_type.name}" in taken
    assert f"v1.{method.output_type.name}" in annotations["return"]
    assert ("Iterable" in taken) is method.client_streaming
    assert ("Generator" in annotations["return"]) is method.server_streaming


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_every_method_is_called_as_the_contract_says(method: MethodDescriptor) -> None:
    own = getattr(_methods, snake(method.name).upper())
    assert own.path == f"/{method.containing_service.full_name}/{method.name}"
    assert own.request.DESCRIPTOR is method.input_type
    assert own.response.DESCRIPTOR is method.output_type
    assert own.has_no_side_effects is (method.GetOptions().idempotency_level == 1)


@pytest.mark.parametrize("name", ["Client", "Worker", "TaskContext"])
def test_both_flavours_can_do_the_same(name: str) -> None:
    threads, tasks = (
        {each for each in dir(getattr(module, name)) if not each.startswith("_")} for module in (millpond, aio)
    )
    # A coroutine function is cancelled instead.
    assert threads - tasks == ({"cancelled", "raise_if_cancelled"} if name == "TaskContext" else set())
    assert tasks <= threads
