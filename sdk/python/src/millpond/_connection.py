"""How calls travel: what both clients say to grpcio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from millpond._address import Address, parse_address
from millpond._version import __version__

if TYPE_CHECKING:
    from millpond.repeats import RepeatPolicy

_MESSAGE_BYTES_MAX = 64 * 1024 * 1024

CHANNEL_OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.primary_user_agent", f"millpond-python/{__version__}"),
    # Every client has a connection of its own.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", -1),
    # Identity only: in one network, compressing costs both sides more time than it saves.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    # The SDK knows better which calls are safe to repeat.
    ("grpc.enable_retries", 0),
    # A connection whose other end has vanished without a word is given up, and with it the calls that wait on it.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 15_000),
    ("grpc.http2.max_pings_without_data", 0),
]


@dataclass(frozen=True)
class ConnectionOptions:
    """Where a client's server is, and how it is spoken to."""

    address: Address
    metadata: tuple[tuple[str, str], ...]
    timeout: float
    """Of a unary call that gives none, in seconds."""
    repeats: RepeatPolicy | None


def connection_options(
    address: str, token: str | None, timeout: float, repeats: RepeatPolicy | None
) -> ConnectionOptions:
    """Check what a client is made from. Raises ValueError for what is no address or no token."""
    metadata: tuple[tuple[str, str], ...] = ()
    if token:
        if not (token.isascii() and token.isprintable()):
            raise ValueError("the token holds what no header can: only printable ASCII passes")
        metadata = (("authorization", f"Bearer {token}"),)
    return ConnectionOptions(address=parse_address(address), metadata=metadata, timeout=timeout, repeats=repeats)
