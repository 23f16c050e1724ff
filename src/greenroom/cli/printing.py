"""What several commands print: tables, and how far something is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import rich.progress

_WIDE = 400


def print_table(titles: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
    """Print a table with at least one row, numbers to the right."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title, example in zip(titles, rows[0], strict=True):
        table.add_column(
            title, no_wrap=True, justify="right" if isinstance(example, int) else "left"
        )
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    # Wide enough for everything also on a narrow terminal, which wraps: a slug is never cut short.
    Console(width=_WIDE).print(table)


class Bar:
    """A bar on standard error, where that is a terminal."""

    def __init__(self, bar: "rich.progress.Progress") -> None:
        self._bar = bar
        self._task = bar.add_task("Preparing", total=None)

    def begin(self, what: str, total: int) -> None:
        """See ``Progress.begin``."""
        self._bar.reset(self._task, description=what, total=total)

    def advance(self, done: int) -> None:
        """See ``Progress.advance``."""
        self._bar.advance(self._task, done)


@contextmanager
def progress_bar() -> Iterator[Bar]:
    """A bar that is gone when the context is left; nothing is shown where there is no terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        yield Bar(bar)
