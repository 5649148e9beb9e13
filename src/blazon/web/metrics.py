"""What the HTTP side counts. Labels are bounded: methods and paths are those of declared routes."""

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

__all__ = ["HttpMetrics", "RouteMetrics"]

# Without it each counter brings a second series, `…_created`, a time nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]


class HttpMetrics:
    """Counters of every route."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "blazon_http_requests_total",
            "HTTP requests answered; path is that of the route, empty when none matched.",
            ("method", "path", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "blazon_http_request_seconds",
            "Time from the head of a request to its answer, in seconds.",
            ("method", "path"),
            registry=registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )

    def of(self, method: str, path: str) -> "RouteMetrics":
        """The counters of one route, with their labels bound."""
        return RouteMetrics(self._requests, self._seconds, method, path)


class RouteMetrics:
    """Counters of one route."""

    __slots__ = ("_by_status", "_method", "_path", "_requests", "_seconds")

    def __init__(self, requests: Counter, seconds: Histogram, method: str, path: str) -> None:
        self._requests = requests
        self._seconds = seconds.labels(method, path)
        self._method = method
        self._path = path
        self._by_status: dict[int, Counter] = {}

    def observe(self, status: int, seconds: float) -> None:
        """Counts one answer."""
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._requests.labels(self._method, self._path, str(status))
        counter.inc()
        self._seconds.observe(seconds)
