"""What is wrong with parts of a running Blazon that goes on all the same: for `/health`, `/metrics` and the log.

It keeps one sentence for each part in trouble. It checks nothing itself: whoever notices a trouble reports it.
"""

from collections.abc import Mapping
from types import MappingProxyType

import structlog
from prometheus_client import CollectorRegistry, Gauge

__all__ = ["Health"]

_log = structlog.get_logger("blazon.health")


class Health:
    """The troubles of one process, by part: `redis`, `log`, `engine:pkcs11`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._troubles: dict[str, str] = {}
        self._degraded = Gauge(
            "blazon_part_degraded",
            "Whether a part is in trouble; `/health` says which trouble.",
            ("part",),
            registry=registry,
        )

    @property
    def troubles(self) -> Mapping[str, str]:
        """What is wrong now, by part; empty when all is well."""
        return MappingProxyType(self._troubles)

    def degrade(self, part: str, trouble: str) -> None:
        """Reports a trouble: a sentence that says what happened and what to do next, without anything secret."""
        if self._troubles.get(part) == trouble:
            return
        self._troubles[part] = trouble
        self._degraded.labels(part).set(1)
        _log.warning("degraded", part=part, trouble=trouble)

    def recover(self, part: str) -> None:
        """Reports that a part is well, again or still."""
        if self._troubles.pop(part, None) is not None:
            self._degraded.labels(part).set(0)
            _log.info("recovered", part=part)
