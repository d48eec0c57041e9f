"""A server of gRPC whose answers a test writes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NoReturn

import grpc
from google.protobuf import descriptor_pool
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from types import TracebackType

    from typing_extensions import Self

    from millpond._methods import Method

    Behaviour = Callable[[Any, grpc.ServicerContext], Any]


class FakeServer(grpc.GenericRpcHandler):
    """Answers the methods that it was told about; those of streams by generators. Others are UNIMPLEMENTED."""

    def __init__(self, port: int = 0) -> None:
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        self.metadata: list[dict[str, str | bytes]] = []
        # Only the threads that are used are made.
        self._server = grpc.server(ThreadPoolExecutor(max_workers=50))
        self._server.add_generic_rpc_handlers((self,))
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on(self, method: Method[Any, Any], behaviour: Behaviour) -> None:
        """Have a method answered."""
        service, _, name = method.path.removeprefix("/").partition("/")
        descriptor = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
        sends = "stream" if descriptor.client_streaming else "unary"
        gets = "stream" if descriptor.server_streaming else "unary"
        self._handlers[method.path] = getattr(grpc, f"{sends}_{gets}_rpc_method_handler")(
            behaviour,
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        self.metadata.append(dict(handler_call_details.invocation_metadata))
        return self._handlers.get(handler_call_details.method)

    def close(self) -> None:
        self._server.stop(None).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class Script:
    """Answers a call with the next of its behaviours, and every later one with the last."""

    def __init__(self, *behaviours: Behaviour) -> None:
        self._behaviours = list(behaviours)
        self._lock = threading.Lock()
        self.requests: list[Any] = []

    def __call__(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._lock:
            self.requests.append(request)
            behaviour = self._behaviours.pop(0) if len(self._behaviours) > 1 else self._behaviours[0]
        return behaviour(request, context)


def answer(message: Any) -> Behaviour:
    return lambda _request, _context: message


def fail(
    code: grpc.StatusCode,
    message: str = "",
    *,
    reason: str = "",
    domain: str = "millpond",
    metadata: dict[str, str] | None = None,
    violations: dict[str, str] | None = None,
    retry_delay: timedelta | None = None,
) -> Behaviour:
    """Fail with details as a server of Millpond gives them; without a reason, as somebody else does."""

    def behave(_request: Any, context: grpc.ServicerContext) -> NoReturn:
        details = status_details(
            code,
            message,
            reason=reason,
            domain=domain,
            metadata=metadata,
            violations=violations,
            retry_delay=retry_delay,
        )
        if details.details:
            context.set_trailing_metadata((("grpc-status-details-bin", details.SerializeToString()),))
        context.abort(code, message)

    return behave


def status_details(
    code: grpc.StatusCode,
    message: str,
    *,
    reason: str = "",
    domain: str = "millpond",
    metadata: dict[str, str] | None = None,
    violations: dict[str, str] | None = None,
    retry_delay: timedelta | None = None,
) -> status_pb2.Status:
    status = status_pb2.Status(code=code.value[0], message=message)
    if reason:
        info = error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata or {})
        status.details.add().Pack(info)
    if violations:
        bad = error_details_pb2.BadRequest()
        for field, description in violations.items():
            bad.field_violations.add(field=field, description=description)
        status.details.add().Pack(bad)
    if retry_delay is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromTimedelta(retry_delay)
        status.details.add().Pack(retry)
    return status
