"""The metrics of HTTP. Their labels are bounded: methods and paths are those of declared routes.

The counters of prometheus_client take a lock each time, 0.9 µs a request. Only the event loop adds to those here, which
takes 0.2 µs; access decisions are answered in under 30.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["HttpMetrics", "RouteMetrics"]

# By default, each counter has a second series, `…_created`, with the time it was made.
disable_created_metrics()  # type: ignore[no-untyped-call]

_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets, in seconds."""


class RouteMetrics:
    """Counters of one route."""

    __slots__ = ("buckets", "method", "path", "seconds", "statuses")

    def __init__(self, method: str, path: str) -> None:
        self.method = method
        self.path = path
        self.statuses: dict[int, int] = {}
        self.buckets = [0] * (len(_BOUNDS) + 1)
        self.seconds = 0.0

    def observe(self, status: int, seconds: float) -> None:
        """Counts one response."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.buckets[bisect_left(_BOUNDS, seconds)] += 1
        self.seconds += seconds

    def cumulated(self) -> list[tuple[str, float]]:
        """How many responses took no longer than each bound."""
        total, found = 0, []
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self.buckets, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class HttpMetrics(Collector):
    """Counters of every route."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._routes: list[RouteMetrics] = []
        registry.register(self)

    def of(self, method: str, path: str) -> RouteMetrics:
        """The counters of one route."""
        route = RouteMetrics(method, path)
        self._routes.append(route)
        return route

    def collect(self) -> Iterator[Metric]:
        """The figures as Prometheus wants them."""
        requests = CounterMetricFamily(
            "blazon_http_requests",
            "HTTP requests answered; path is that of the route, empty if none matched.",
            labels=("method", "path", "status"),
        )
        seconds = HistogramMetricFamily(
            "blazon_http_request_seconds",
            "Time from a complete request to its response, in seconds.",
            labels=("method", "path"),
        )
        for route in self._routes:
            for status, count in route.statuses.items():
                requests.add_metric((route.method, route.path, str(status)), count)
            seconds.add_metric((route.method, route.path), buckets=route.cumulated(), sum_value=route.seconds)
        yield requests
        yield seconds
