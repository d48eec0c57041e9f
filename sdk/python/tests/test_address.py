from __future__ import annotations

import pytest

from millpond._address import parse_address


@pytest.mark.parametrize(
    ("text", "url", "target", "is_secure"),
    [
        ("http://127.0.0.1:8085", "http://127.0.0.1:8085", "dns:///127.0.0.1:8085", False),
        ("http://127.0.0.1:8085/", "http://127.0.0.1:8085", "dns:///127.0.0.1:8085", False),
        ("127.0.0.1:8085", "http://127.0.0.1:8085", "dns:///127.0.0.1:8085", False),
        ("localhost", "http://localhost", "dns:///localhost:80", False),
        ("https://millpond.example", "https://millpond.example", "dns:///millpond.example:443", True),
        ("HTTPS://millpond.example:8443", "https://millpond.example:8443", "dns:///millpond.example:8443", True),
        ("http://[::1]:8085", "http://[::1]:8085", "dns:///[::1]:8085", False),
        ("http://bücher.example", "http://xn--bcher-kva.example", "dns:///xn--bcher-kva.example:80", False),
        ("my_service:1", "http://my_service:1", "dns:///my_service:1", False),
    ],
)
def test_an_address_is_read(text: str, url: str, target: str, is_secure: bool) -> None:
    address = parse_address(text)
    assert (address.url, address.target, address.is_secure) == (url, target, is_secure)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://",
        "ftp://example.org",
        "http://not an address",
        "http://host:port",
        "http://host:70000",
        "http://host/path",
        "http://host?query",
        "http://user:password@host",
        "http://[::1",
        "http://-host",
        "http://a..b",
    ],
)
def test_what_is_no_address_is_refused_and_named(text: str) -> None:
    with pytest.raises(ValueError, match="is no address of a server") as raised:
        parse_address(text)
    assert f'"{text}"' in str(raised.value)
