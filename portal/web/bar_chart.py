"""Stacked bar charts, drawn as SVG by a template that also shows them as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 600, 100  # of the plot, in SVG units
_GAP = 0.2  # share of a column
_MAX_HEADROOM = 3  # a limit beyond this multiple of the highest bar would flatten the bars


@dataclass(frozen=True)
class Series:
    label: str
    tone: str


Row = tuple[str, tuple[int, ...], tuple[Any, ...]]  # a label, the series' values, extra cells


@dataclass(frozen=True)
class Bar:
    tone: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class BarChart:
    """Stacked bars, a column for each of `rows`."""

    key: str
    title: str
    column_title: str
    series: tuple[Series, ...]
    rows: list[Row]
    extra_titles: tuple[str, ...] = ()
    limit: int | None = None

    @property
    def limit_y(self) -> float | None:
        """Where the line of the limit is; None if it lies far above all bars."""
        if self.limit is None or self.limit > self.highest * _MAX_HEADROOM:
            return None
        return round(HEIGHT - HEIGHT * self.limit / self._scale, 2)

    @property
    def _scale(self) -> int:
        is_in_sight = self.limit is not None and self.limit <= self.highest * _MAX_HEADROOM
        return max(self.highest, self.limit or 0) if is_in_sight else self.highest

    @property
    def highest(self) -> int:
        return max((sum(values) for _, values, _ in self.rows), default=0)

    @property
    def summary(self) -> str:
        totals = [
            sum(values[index] for _, values, _ in self.rows) for index in range(len(self.series))
        ]
        return ", ".join(
            f"{total:,} {series.label.lower()}"
            for total, series in zip(totals, self.series, strict=True)
        )

    @property
    def bars(self) -> list[Bar]:
        column_width, scale = WIDTH / max(1, len(self.rows)), self._scale
        bars = []
        for index, (_, values, _) in enumerate(self.rows):
            top = float(HEIGHT)
            for series, value in zip(self.series, values, strict=True):
                if not value:
                    continue
                height = HEIGHT * value / scale
                top -= height
                x = column_width * (index + _GAP / 2)
                bars.append(
                    Bar(
                        series.tone,
                        *(round(n, 2) for n in (x, top, column_width * (1 - _GAP), height)),
                    )
                )
        return bars
