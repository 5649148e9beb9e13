"""Connections beyond what the limit of open files has room for: they are refused, counted and reported.

Without that, they would take the last files from the database and from Redis.
"""

import asyncio
import resource
from typing import Final

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter

from blazon.errors import Unavailable
from blazon.health import Health
from blazon.web.failures import Failure

__all__ = ["NO_ROOM", "Crowding"]

_RESERVED: Final = 256
"""Files kept for everything else, or half of them when there are few."""

_EVERY: Final = 60.0
"""Seconds between two lines about refused connections, and after which nothing is refused any more."""

_PART: Final = "connections"

_BODY: Final = msgspec.json.encode(Failure("too many connections are open; try again in a moment", Unavailable.title))
NO_ROOM: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)
"""What a connection that is refused is sent, before it has asked for anything."""

_log = structlog.get_logger("blazon.web")


class Crowding:
    """How many connections may be open, by the limit of open files when it is made."""

    def __init__(self, registry: CollectorRegistry, health: Health) -> None:
        self._files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = self._files - min(_RESERVED, self._files // 2)
        self._health = health
        self._refused = Counter(
            "blazon_http_connections_refused_total",
            "Connections refused because too many were open.",
            registry=registry,
        )
        self._since_last_line = 0
        self._timer: asyncio.TimerHandle | None = None

    def admits(self, connections: int) -> bool:
        """Whether one more connection may be opened while so many are open. If not, it is counted as refused."""
        if connections < self._most:
            return True
        self._refused.inc()
        self._since_last_line += 1
        if self._timer is None:
            self._health.degrade(
                _PART,
                f"new connections are refused while {self._most} are open: the limit of {self._files} open files has no"
                " room for more. Close idle ones at the proxy, or raise the hard limit (ulimit -Hn, or LimitNOFILE= in"
                " the systemd unit)",
            )
            self._timer = asyncio.get_running_loop().call_later(_EVERY, self._look)
        return False

    def _look(self) -> None:
        if self._since_last_line == 0:
            self._timer = None
            self._health.recover(_PART)
            return
        _log.warning("connections refused", refused=self._since_last_line, open_at_most=self._most)
        self._since_last_line = 0
        self._timer = asyncio.get_running_loop().call_later(_EVERY, self._look)
