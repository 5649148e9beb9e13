"""What time an event is recorded at, and what to say when clocks are wrong.

Times in the log never go back, so one clock that is ahead would set the time of the log for everybody until that time
has come. Where the database's server has a clock of its own, a process goes by that one as soon as its own is wrong. An
event from the future is the trace of a clock that was ahead: that is said, too.
"""

from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry, Gauge

from blazon.clock import NANOSECONDS, TOLERANCE, Clock, ComparedClock, rfc3339
from blazon.health import Health
from blazon.log.batch import Taken

__all__ = ["Timing"]

_CLOCK: Final = "clock"
_LOG: Final = "log-time"
"""The parts in `/health`: the clock of this machine, and the time of the log."""


class Timing:
    """The clocks of one process: that of the machine, that of the database's server, and the time of the log."""

    def __init__(self, clock: Clock, registry: CollectorRegistry) -> None:
        self._clock = clock
        self._log_time = 0
        self._said_ahead = 0
        self._said_log_time = 0
        """What was reported last: a report is made anew when it is out by more than the tolerance."""
        Gauge(
            "blazon_clock_ahead_seconds",
            "How far the clock of the machine is ahead of the database's, negative when behind; 0 while they agree.",
            registry=registry,
        ).set_function(lambda: self._machine_ahead / NANOSECONDS)
        Gauge(
            "blazon_log_time_ahead_seconds",
            "How far the last event of the log is ahead of the clock; 0 when it is not.",
            registry=registry,
        ).set_function(lambda: max(0, self._lead) / NANOSECONDS)

    def now(self, taken: Taken) -> int:
        """The time now, in Unix nanoseconds, after comparing the clocks with what was just read."""
        if taken.time is not None and isinstance(self._clock, ComparedClock):
            self._clock.compare(taken.time, taken.took)
        self._log_time = taken.head.time
        return self._clock.now()

    @property
    def _machine_ahead(self) -> int:
        return self._clock.ahead if isinstance(self._clock, ComparedClock) else 0

    @property
    def _lead(self) -> int:
        return self._log_time - self._clock.now()

    def report(self, health: Health) -> None:
        """Reports clocks that are wrong, and clocks that are right again."""
        ahead, lead = self._machine_ahead, self._lead
        if not ahead:
            self._said_ahead = 0
            health.recover(_CLOCK)
        elif abs(ahead - self._said_ahead) > TOLERANCE:
            self._said_ahead = ahead
            health.degrade(
                _CLOCK,
                f"the clock of this machine is {_span(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} that of the"
                " database. Blazon goes by the database's clock until they agree: set whichever of the two is wrong,"
                " and keep both right with NTP",
            )
        if lead <= TOLERANCE:
            self._said_log_time = 0
            health.recover(_LOG)
        elif abs(self._log_time - self._said_log_time) > TOLERANCE:
            self._said_log_time = self._log_time
            health.degrade(
                _LOG,
                f"the last event of the log is from {rfc3339(self._log_time)}, {_span(lead)} ahead of the clock: a"
                " clock was ahead when it was recorded, or this one is behind. Until the clock has come there, events"
                " keep their order and get times right after that one",
            )


def _span(nanoseconds: int) -> str:
    """Hours, minutes and seconds, with days before them: `1 day, 2:00:00`."""
    return str(timedelta(seconds=round(nanoseconds / NANOSECONDS)))
