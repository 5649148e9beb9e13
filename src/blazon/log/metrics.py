"""What is counted of the log."""

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from blazon.log.record import Record

__all__ = ["KnowledgeMetrics", "WriterMetrics"]

_KINDS = ("fact", "observation")


class WriterMetrics:
    """Counters of one writer. Labels are bounded: services and kinds are declared in the code."""

    def __init__(self, registry: CollectorRegistry, waiting: Callable[[], int]) -> None:
        self._events = Counter(
            "blazon_log_events_total", "Events recorded by this process.", ("service", "kind"), registry=registry
        )
        self._bound: dict[tuple[str, int], Counter] = {}
        self.commit_seconds = Histogram(
            "blazon_log_commit_seconds",
            "Time to commit one batch of operations, in seconds.",
            registry=registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )
        self.failures = Counter(
            "blazon_log_batch_failures_total", "Batches the database could not commit.", registry=registry
        )
        self.retried = Counter(
            "blazon_log_batch_retries_total", "Batches whose operations were tried one by one.", registry=registry
        )
        self.dropped = Counter(
            "blazon_log_observations_dropped_total",
            "Observations given up because the database was away for too long.",
            registry=registry,
        )
        Gauge("blazon_log_waiting_operations", "Operations that wait for their batch.", registry=registry).set_function(
            waiting
        )
        self._head = Gauge(
            "blazon_log_head_sequence", "Sequence number of the last event this process knows of.", registry=registry
        )

    def count(self, records: Sequence[Record]) -> None:
        """Counts the records of a batch."""
        tally: dict[tuple[str, int], int] = {}
        for record in records:
            key = (record.service, record.kind)
            tally[key] = tally.get(key, 0) + 1
        for key, number in tally.items():
            counter = self._bound.get(key)
            if counter is None:
                counter = self._bound[key] = self._events.labels(key[0], _KINDS[key[1]])
            counter.inc(number)
        if records:
            self._head.set(records[-1].sequence)


class KnowledgeMetrics:
    """Counters of what one process keeps in memory of the log."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.failures = Counter(
            "blazon_log_memory_failures_total",
            "Records that something kept in memory could not take in; it was read anew.",
            registry=registry,
        )
        self.rewinds = Counter(
            "blazon_log_rewinds_total", "Times the database came back without records it had.", registry=registry
        )
        self.lost = Counter(
            "blazon_log_lost_events_total",
            "Events, at most, that the database came back without.",
            registry=registry,
        )
