"""Addresses of HTTP: the URL a socket is reached by, and whether a URL leads no further than this machine."""

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

__all__ = ["is_loopback", "reached_at", "url_of_listener"]

_THIS_MACHINE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here


def reached_at(host: str, port: int) -> str:
    """The URL by which this machine reaches a socket that is bound to `host`, an address without brackets."""
    host = _THIS_MACHINE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def url_of_listener(listen: str) -> str:
    """The URL of `host:port` or `[host]:port`; empty for port 0, which is another one at each start."""
    host, _, port = listen.rpartition(":")
    return "" if port == "0" else reached_at(host.removeprefix("[").removesuffix("]"), int(port))


def is_loopback(url: str) -> bool:
    """Whether a URL leads to the machine that uses it, whichever that is (RFC 1122 §3.2.1.3, RFC 6761 §6.3)."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None) or address  # ::ffff:127.0.0.1 is 127.0.0.1
    return mapped.is_loopback or mapped.is_unspecified
