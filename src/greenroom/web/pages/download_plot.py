"""How often a project was downloaded, as a plot and in words."""

from datetime import date, timedelta

from msgspec import Struct

from greenroom.registry.downloads import DownloadNumbers

BAR = 3
HEIGHT = 40


class DownloadPlot(Struct, frozen=True):
    """What the page draws.

    Attributes:
        width: of the drawing, in its own units, as the height.
        path: a bar for each day, as the data of an SVG path.
        words: what a person would see in it.
        weeks: the days with which weeks begin, the oldest first, and how often within each.
    """

    width: int
    height: int
    path: str
    words: str
    last_day: int
    last_week: int
    last_month: int
    weeks: tuple[tuple[date, int], ...]


def download_plot(numbers: DownloadNumbers | None) -> DownloadPlot | None:
    """The plot of these numbers; None where there are none."""
    if numbers is None:
        return None
    most = max(numbers.days)
    bars = []
    for place, count in enumerate(numbers.days):
        if count:
            height = max(1, round(count * HEIGHT / most))
            bars.append(f"M{place * BAR} {HEIGHT}v-{height}h{BAR - 1}v{height}z")
    first = numbers.until - timedelta(days=len(numbers.days) - 1)
    peak = first + timedelta(days=numbers.days.index(most))
    weeks = tuple(
        (first + timedelta(days=start), sum(numbers.days[start : start + 7]))
        for start in range(len(numbers.days) % 7, len(numbers.days), 7)
    )
    return DownloadPlot(
        width=len(numbers.days) * BAR,
        height=HEIGHT,
        path="".join(bars),
        words=(
            f"Downloads a day from {_day(first)} to {_day(numbers.until)}, "
            f"most on {_day(peak)}: {most}."
        ),
        last_day=numbers.last_day,
        last_week=numbers.last_week,
        last_month=numbers.last_month,
        weeks=weeks,
    )


def _day(day: date) -> str:
    return f"{day.day} {day:%b %Y}"
