"""The newest sample as metrics of Prometheus, on the loopback address alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bgecheck.model import BadInput, Text, reason_of
from bgecheck.watching.history import History
from bgecheck.watching.sample import Sample

ADDRESS = "127.0.0.1"

_GAUGES = {
    "rss": ("resident_memory_bytes", "Main memory of the server's processes."),
    "ram_free": ("available_memory_bytes", "Main memory that they can still get."),
    "gpu": ("gpu_memory_bytes", "GPU memory of the server's processes."),
    "gpu_free": ("gpu_memory_free_bytes", "Free memory of the fullest of their GPUs."),
    "temperature": ("gpu_temperature_celsius", "Of the hottest of their GPUs."),
    "clock": ("gpu_clock_mhz", "Of the slowest of their GPUs."),
    "latency": ("probe_seconds", "Of a short text that was never sent before."),
    "canary": ("canary_seconds", "Of the text that is always the same."),
    "cosine": ("canary_cosine", "Of that text's vector and its first one."),
    "running": ("requests_running", "Requests that are computed."),
    "queued": ("requests_queued", "Requests that wait."),
}
"""Fields of a sample by name and help of their metric; one that was not seen is not there."""


class Exporter:
    """Serves the newest sample. Raises `BadInput` where the library is missing, or the port cannot be had."""

    def __init__(self, port: int) -> None:
        self._sample: Sample | None = None
        self._history: History | None = None
        try:
            from prometheus_client import CollectorRegistry, start_http_server
        except ImportError:
            raise BadInput(
                f"--prometheus {port}",
                Text("the package prometheus-client is not installed", "没有安装 prometheus-client"),
                Text("pip install 'bgecheck[prometheus]'", "pip install 'bgecheck[prometheus]'"),
            ) from None
        registry = CollectorRegistry()
        registry.register(self)
        try:
            self._running: Any = start_http_server(port, addr=ADDRESS, registry=registry)
        except (OSError, OverflowError) as error:
            why = reason_of(error)
            raise BadInput(
                f"--prometheus {port}",
                Text(f"the port cannot be had ({why.en})", f"端口无法使用（{why.zh}）"),
                Text("give one that is free: bgecheck ports", "换一个空闲的端口：bgecheck ports"),
            ) from None

    def show(self, sample: Sample, history: History) -> None:
        """Serve this sample from now on."""
        self._sample, self._history = sample, history

    def close(self) -> None:
        """Stop serving, as far as the library's release lets one."""
        if isinstance(self._running, tuple):
            server, thread = self._running
            server.shutdown()
            server.server_close()
            thread.join(2.0)

    def collect(self) -> Iterator[Any]:
        """What Prometheus asks for; the name is that of the library."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        sample, history = self._sample, self._history
        if sample is None or history is None:
            return
        for field, (name, words) in _GAUGES.items():
            value = getattr(sample, field)
            if value is not None:
                yield GaugeMetricFamily(f"bgecheck_watch_{name}", words, value=float(value))
        yield GaugeMetricFamily("bgecheck_watch_up", "Whether the newest request was answered.", value=_up(sample))
        tally = history.tally
        counters = {
            "samples": ("Samples so far.", tally.samples),
            "requests_failed": ("Samples whose request failed.", tally.failed),
            "vectors_changed": ("Samples whose canary had another vector.", tally.wrong),
            "cached_tokens": ("Tokens taken from the prefix cache.", tally.cached),
            "restarts": ("Starts of the server that were seen.", tally.restarts),
        }
        for name, (words, count) in counters.items():
            yield CounterMetricFamily(f"bgecheck_watch_{name}", words, value=float(count))


def _up(sample: Sample) -> float:
    return float(sample.failure is None and sample.latency is not None)
