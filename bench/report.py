"""Printing figures beside their limits and targets."""

import json
import platform
import statistics
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

OUT = Path(__file__).parent / "out"


class Figure(msgspec.Struct, frozen=True):
    """One figure. `limit` is what a C tool reaches for the same job in the same run; `lead` and `stretch` are targets.

    `lower_is_better` is for times and sizes.
    """

    name: str
    value: float
    unit: str
    limit: float | None = None
    limit_name: str = ""
    lead: float | None = None
    stretch: float | None = None
    lower_is_better: bool = False

    @property
    def verdict(self) -> str:
        """Which target it reaches."""
        for target, word in ((self.stretch, "stretch"), (self.lead, "lead")):
            if target is not None and (self.value <= target if self.lower_is_better else self.value >= target):
                return word
        return "" if self.lead is None else "below lead"


class Report:
    """The figures of one run, printed as they come and kept as JSON in `bench/out`."""

    def __init__(self) -> None:
        self._figures: list[Figure] = []
        print(f"{'figure':<62} {'value':>10} {'unit':<10} {'lead':>8} {'stretch':>8} {'reached':<10} limit (ratio)")

    def add(self, figure: Figure) -> None:
        """Prints one figure."""
        self._figures.append(figure)
        limit = ""
        if figure.limit:
            limit = f"{_number(figure.limit)} {figure.limit_name} ({figure.value / figure.limit:.3f})"
        print(
            f"{figure.name:<62} {_number(figure.value):>10} {figure.unit:<10} {_number(figure.lead):>8}"
            f" {_number(figure.stretch):>8} {figure.verdict:<10} {limit}",
            flush=True,
        )

    def keep(self) -> Path:
        """Writes the figures to a file."""
        OUT.mkdir(exist_ok=True)
        path = OUT / time.strftime("%Y%m%dT%H%M%S.json")
        about = {"machine": platform.machine(), "python": platform.python_version(), "time": time.time()}
        figures: list[Any] = [msgspec.to_builtins(figure) for figure in self._figures]
        path.write_text(json.dumps({"about": about, "figures": figures}, indent=1))
        return path


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def median(values: Iterable[float]) -> float:
    """The value in the middle."""
    return statistics.median(values)


def percentile(values: Iterable[float], percent: float) -> float:
    """The value that so many per cent do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
