"""What a service counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from narrows.core.extras import required
from narrows.serving.served import Served

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 16384)


class Metrics:
    """Counters and histograms of one service.

    Parameters
    ----------
    models : mapping of str to Served
        Those that answer now.
    n_waiting : callable
        Returns how many requests wait.
    """

    def __init__(self, models: Mapping[str, Served], n_waiting: Callable[[], int]) -> None:
        self.client = required("prometheus_client", extra="serve", purpose="narrows serve")
        self.registry = self.client.CollectorRegistry()
        self.requests = self.client.Counter(
            "narrows_requests", "Requests", ["model", "task", "status"], registry=self.registry
        )
        self.rows = self.client.Counter(
            "narrows_rows", "Rows asked about", ["model", "task"], registry=self.registry
        )
        self.seconds = self.client.Histogram(
            "narrows_request_seconds",
            "From the whole body to the answer",
            ["model", "task"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batches = self.client.Histogram(
            "narrows_batch_rows",
            "Rows that a model was given at once",
            buckets=ROWS,
            registry=self.registry,
        )
        self.reloads = self.client.Counter(
            "narrows_reloads",
            "Models that were put in place",
            ["model", "outcome"],
            registry=self.registry,
        )
        self.registry.register(_State(models, n_waiting))
        self._children: dict[tuple[str, ...], tuple[Any, Any, Any]] = {}

    def answered(self, model: str, task: str, status: str, n_rows: int, seconds: float) -> None:
        """Count a request."""
        key = model, task, status
        children = self._children.get(key)
        if children is None:
            children = self._children[key] = (
                self.requests.labels(*key),
                self.rows.labels(model, task),
                self.seconds.labels(model, task),
            )
        requests, rows, latency = children
        requests.inc()
        rows.inc(n_rows)
        latency.observe(seconds)

    def text(self) -> bytes:
        """Return all as Prometheus reads it."""
        text: bytes = self.client.generate_latest(self.registry)
        return text


class _State:
    """What is looked up when somebody asks."""

    def __init__(self, models: Mapping[str, Served], n_waiting: Callable[[], int]) -> None:
        self.models = models
        self.n_waiting = n_waiting

    def collect(self) -> Iterator[Any]:
        """Yield the gauges."""
        core = required("prometheus_client.core", extra="serve", purpose="narrows serve")
        yield core.GaugeMetricFamily(
            "narrows_waiting", "Requests that wait for a model", self.n_waiting()
        )
        info = core.GaugeMetricFamily(
            "narrows_model", "1 for each model", labels=["model", "version"]
        )
        beyond = core.GaugeMetricFamily(
            "narrows_drift_share_beyond_99",
            "Share of the latest scores below those of 99 % of training rows",
            labels=["model"],
        )
        scored = core.CounterMetricFamily(
            "narrows_rows_scored", "Rows that drift was looked for in", labels=["model"]
        )
        warned = core.CounterMetricFamily(
            "narrows_warnings", "Warnings of narrows about rows", labels=["model", "kind"]
        )
        for name, served in list(self.models.items()):
            info.add_metric([name, served.version], 1)
            if served.drift is not None:
                beyond.add_metric([name], served.drift.share_beyond())
                scored.add_metric([name], served.drift.n_scored)
            counts: Mapping[str, int] = served.warnings
            for kind, count in list(counts.items()):
                warned.add_metric([name, kind], count)
        yield from (info, beyond, scored, warned)
