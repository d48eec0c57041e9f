"""What calls of the SDK fail with."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from millpond import v1

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from google.protobuf.message import Message

_DOMAIN = "millpond"
_STATUS_DETAILS = "grpc-status-details-bin"
_REASON_PREFIX = "ERROR_REASON_"
_CODES_THAT_ASK_FOR_A_DELAY = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED})
# A connection that breaks during a call shows as one of these, with a text of gRPC's.
_CODES_OF_BROKEN_CONNECTIONS = frozenset({grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL})
_BROKEN_CONNECTION = re.compile(
    r"RST_STREAM|GOAWAY|socket closed|stream removed|broken pipe|connection (reset|closed|dropped)"
    r"|end of stream|missing (status|trailer)|transport closed"
    # Of grpc.aio, where a call ended while it was written to: it has lost why.
    r"|internal error from core",
    re.IGNORECASE,
)
_OLD_SERVER = "the server may be older than this SDK, or no Millpond"


@dataclass(frozen=True)
class FieldViolation:
    """A field of a request that the server refused."""

    field: str
    """The field's path, such as ``tasks[3].kind``."""
    description: str
    """What is wrong with it."""


class MillpondError(Exception):
    """What a call fails with, whoever is to blame: the request, the server, or the way to it."""

    code: grpc.StatusCode
    """The code of gRPC."""
    reason: v1.ErrorReason
    """Why; ``ERROR_REASON_UNSPECIFIED`` when the error is none of Millpond's, or of a reason that this version does
    not know."""
    message: str
    """For people. What is not said by Millpond itself names the address of the server."""
    metadata: Mapping[str, str]
    """The facts that ``v1.ErrorReason`` names for the reason, such as ``task_id``."""
    violations: Sequence[FieldViolation]
    """The fields that the server refused, in its order."""
    retry_delay: timedelta | None
    """How long the server asked to wait before the call is made again; None: it did not ask."""

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: v1.ErrorReason = v1.ErrorReason.ERROR_REASON_UNSPECIFIED,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_delay: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.metadata = metadata or {}
        self.violations = violations
        self.retry_delay = retry_delay

    @property
    def reason_name(self) -> str:
        """The reason without its prefix, such as ``TASK_NOT_FOUND``; empty when it is unspecified."""
        if self.reason == v1.ErrorReason.ERROR_REASON_UNSPECIFIED:
            return ""
        return reason_name_of(self.reason)

    @property
    def is_transient(self) -> bool:
        """Whether the server, or the way to it, was away, so that the same call may succeed later.

        Whether making it again is safe is another question.
        """
        if self.code is grpc.StatusCode.UNAVAILABLE:
            return True
        if self.code not in _CODES_OF_BROKEN_CONNECTIONS or self.reason_name:
            return False
        return _BROKEN_CONNECTION.search(self.message) is not None

    def __reduce__(self) -> tuple[Any, ...]:
        # So that it passes from process to process: without, it would be made of its message alone.
        return type(self), (self.code, self.message), self.__dict__

    @property
    def is_of_connection(self) -> bool:
        """Whether the server did not say this itself: it may not be connected to."""
        return self.is_transient and not self.reason_name and self.retry_delay is None

    def __str__(self) -> str:
        return f"{self.reason_name or self.code.name}: {self.message}"


class FailedCall(Protocol):
    """What an error of grpcio says, by threads and by asyncio alike."""

    def code(self) -> grpc.StatusCode:
        """Answer the code."""

    def details(self) -> str | None:
        """Answer the text."""

    def trailing_metadata(self) -> Iterable[tuple[str, str | bytes]] | None:
        """Answer what came behind the answer."""


def error_of(address: str, error: Exception) -> MillpondError:
    """Make the SDK's error of one of grpcio's."""
    call = cast("FailedCall", error)
    details = _details_of(call)
    info = _find_info(details)
    text = call.details() or ""
    reason = v1.ErrorReason.ERROR_REASON_UNSPECIFIED
    if info is None:
        text = _text_of_stranger(address, call.code(), text)
    elif _REASON_PREFIX + info.reason in v1.ErrorReason.keys():  # noqa: SIM118 (it is no mapping)
        reason = cast("v1.ErrorReason", v1.ErrorReason.Value(_REASON_PREFIX + info.reason))
    return MillpondError(
        call.code(),
        text,
        reason=reason,
        metadata=dict(info.metadata) if info else None,
        violations=_violations_of(details),
        retry_delay=_retry_delay_of(call.code(), details),
    )


def reason_name_of(reason: v1.ErrorReason) -> str:
    """Answer a reason without its prefix; of one that this version does not know the number."""
    if reason not in v1.ErrorReason.values():
        return str(int(reason))
    return v1.ErrorReason.Name(reason).removeprefix(_REASON_PREFIX)


def cancelled_error(address: str) -> MillpondError:
    """Make the error of a call that this side gave up."""
    return MillpondError(grpc.StatusCode.CANCELLED, f"{address}: the call was cancelled")


def closed_error(address: str) -> MillpondError:
    """Make the error of a call of a client that has been closed."""
    return MillpondError(grpc.StatusCode.FAILED_PRECONDITION, f"{address}: the client is closed")


def silence_error(address: str, seconds: float) -> MillpondError:
    """Make the error of a stream that said nothing for too long."""
    return MillpondError(grpc.StatusCode.UNAVAILABLE, f"{address}: no message for {seconds:g} s")


def _text_of_stranger(address: str, code: grpc.StatusCode, text: str) -> str:
    if code is grpc.StatusCode.UNIMPLEMENTED:
        text = f"{text} ({_OLD_SERVER})" if text else _OLD_SERVER
    return f"{address}: {text or code.name}"


def _details_of(call: FailedCall) -> status_pb2.Status:
    for key, value in call.trailing_metadata() or ():
        if key == _STATUS_DETAILS and isinstance(value, bytes):
            with contextlib.suppress(DecodeError):
                return status_pb2.Status.FromString(value)
    return status_pb2.Status()


_Detail = TypeVar("_Detail", bound="Message")


def _find(details: status_pb2.Status, kind: type[_Detail]) -> Iterable[_Detail]:
    for each in details.details:
        found = kind()
        # Whoever sends what cannot be read is no Millpond.
        with contextlib.suppress(DecodeError):
            if each.Unpack(found):
                yield found


def _find_info(details: status_pb2.Status) -> error_details_pb2.ErrorInfo | None:
    infos = _find(details, error_details_pb2.ErrorInfo)
    return next((info for info in infos if info.domain == _DOMAIN), None)


def _violations_of(details: status_pb2.Status) -> list[FieldViolation]:
    return [
        FieldViolation(field=violation.field, description=violation.description)
        for request in _find(details, error_details_pb2.BadRequest)
        for violation in request.field_violations
    ]


def _retry_delay_of(code: grpc.StatusCode, details: status_pb2.Status) -> timedelta | None:
    if code not in _CODES_THAT_ASK_FOR_A_DELAY:
        return None
    for info in _find(details, error_details_pb2.RetryInfo):
        if info.HasField("retry_delay"):
            return max(timedelta(0), info.retry_delay.ToTimedelta())
    return None
