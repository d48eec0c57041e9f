"""Where a server is."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Address:
    """The address of a server, such as ``http://127.0.0.1:8085``."""

    url: str
    target: str
    """The same as gRPC names it."""
    is_secure: bool


def parse_address(text: str) -> Address:
    """Read an address. Without a scheme ``http://`` is meant. Raises ValueError for what is none."""
    try:
        return _parse(text if _SCHEME.match(text) else f"http://{text}")
    except ValueError as error:
        raise ValueError(f'"{text}" is no address of a server; give one such as http://127.0.0.1:8085') from error


def _parse(url: str) -> Address:
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError(f'the scheme "{parts.scheme}" is neither http nor https')
    if parts.path not in {"", "/"} or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("gRPC takes a host and a port, nothing else")
    host = _host_of(parts.hostname or "")
    port = parts.port
    shown = host if port is None else f"{host}:{port}"
    target = f"dns:///{host}:{_PORTS[parts.scheme] if port is None else port}"
    return Address(url=f"{parts.scheme}://{shown}", target=target, is_secure=parts.scheme == "https")


def _host_of(host: str) -> str:
    if ":" in host:
        return f"[{ipaddress.IPv6Address(host)}]"
    name = host.encode("idna").decode("ascii")
    if not _HOST_NAME.fullmatch(name):
        raise ValueError(f'"{host}" is no name of a host')
    return name
