"""What the HTTP side counts. Labels are bounded: methods and paths are those of declared routes.

prometheus_client's own counters lock, once for each figure of each request; these are added to by the event loop alone
and read when somebody asks.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["HttpMetrics", "RouteMetrics"]

# Without it each counter brings a second series, `…_created`, a time nobody asks for.
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
        """Counts one answer."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.buckets[bisect_left(_BOUNDS, seconds)] += 1
        self.seconds += seconds

    def cumulated(self) -> list[tuple[str, float]]:
        """How many answers took no longer than each bound."""
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
            "HTTP requests answered; path is that of the route, empty when none matched.",
            labels=("method", "path", "status"),
        )
        seconds = HistogramMetricFamily(
            "blazon_http_request_seconds",
            "Time from the head of a request to its answer, in seconds.",
            labels=("method", "path"),
        )
        for route in self._routes:
            for status, count in route.statuses.items():
                requests.add_metric((route.method, route.path, str(status)), count)
            seconds.add_metric((route.method, route.path), buckets=route.cumulated(), sum_value=route.seconds)
        yield requests
        yield seconds
