"""What was measured, as data and as tables in Markdown."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

MIB = 1024**2


@dataclass(frozen=True)
class Line:
    """One thing that is measured, and what its figures are: requests, seconds, transfer, memory."""

    key: str
    title: str
    kind: str

    def show(self, figures: Mapping[str, float]) -> str:
        """Figures as a cell of the table has them."""
        if self.kind == "requests":
            sent = f", {figures['bytes'] / 1000:,.0f} kB" if "bytes" in figures else ""
            return f"{_digits(figures['cost'])} ({_digits(figures['rate'])}/s){sent}"
        if self.kind == "transfer":
            return f"{figures['speed'] / 1e6:,.0f} ({figures['rise'] / MIB:+,.0f} MiB)"
        if self.kind == "memory":
            return f"{figures['idle'] / MIB:,.0f} · {figures['after'] / MIB:,.0f}"
        cost = f" ({_digits(figures['cost'])})" if "cost" in figures else ""
        return f"{_digits(figures['seconds'])}{cost}"

    @property
    def heading(self) -> str:
        """The title, with what its figures are."""
        kinds = {
            "requests": "CPU seconds per 1,000 (rate)",
            "seconds": "seconds (CPU of the server)",
            "transfer": "MB/s (rise of peak memory)",
            "memory": "MiB, shared pages once",
        }
        what = "seconds" if self.key == "start" else kinds[self.kind]
        return f"{self.title}: {what}"


@dataclass
class Column:
    """The figures of one server: for each line, those of every round."""

    name: str
    missing: str | None = None
    figures: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, figures: Mapping[str, float]) -> None:
        """Write down what one round gave for a line."""
        self.figures.setdefault(key, []).append(dict(figures))

    def medians(self, key: str) -> dict[str, float] | None:
        """The medians over the rounds, None where nothing was measured."""
        rounds = self.figures.get(key)
        if not rounds or key in self.failed:
            return None
        return {name: median(figures[name] for figures in rounds) for name in rounds[0]}

    def cell(self, line: Line) -> str:
        """What the table says; a dash where the server cannot do this."""
        figures = self.medians(line.key)
        if figures is not None:
            return line.show(figures)
        return "failed" if line.key in self.failed and self.name == "greenroom" else "\N{EN DASH}"


@dataclass(frozen=True)
class Table:
    """What another measurement has printed."""

    said: str
    heading: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __str__(self) -> str:
        return f"{self.said}\n\n{in_markdown(self.heading, self.rows)}"


@dataclass(frozen=True)
class Results:
    """One run."""

    where: str
    asked_with: str
    rounds: int
    quick: bool
    lines: Sequence[Line]
    columns: Sequence[Column]


def table(results: Results) -> str:
    """The results in Markdown."""
    kind = ", quick" if results.quick else ""
    rounds = "one round" if results.rounds == 1 else f"medians of {results.rounds} rounds"
    heading = ["", *(_heading(column) for column in results.columns)]
    rows = [
        [line.heading, *(column.cell(line) for column in results.columns)] for line in results.lines
    ]
    said = f"{results.where}; asked with {results.asked_with}, {rounds}{kind}."
    return f"{said}\n\n{in_markdown(heading, rows)}"


def results_from(data: Mapping[str, Any]) -> Results:
    """Results as they were written down."""
    lines = [Line(**line) for line in data["lines"]]
    columns = [Column(**column) for column in data["columns"]]
    return Results(**{**data, "lines": lines, "columns": columns})


def write(path: Path | None, what: "Results | Table") -> None:
    """Write down what was measured, where a file is given."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(what), indent=1) + "\n", encoding="utf-8")


def now_and_here() -> str:
    """The date, and this machine in a few words."""
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [line.partition(": ")[2] for line in text.splitlines() if line[:10] == "model name"]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    cores = len(os.sched_getaffinity(0))
    model = models[0] if models else platform.machine()
    kernel, python = platform.release().split("-")[0], platform.python_version()
    return f"{date}, {cores} cores of {model}, {memory:.0f} GiB, Linux {kernel}, Python {python}"


def in_markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _heading(column: Column) -> str:
    return column.name + (f" (missing: {column.missing})" if column.missing else "")


def _digits(value: float) -> str:
    """A number with about three digits that say something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value >= 1 else f"{value:.3f}"
