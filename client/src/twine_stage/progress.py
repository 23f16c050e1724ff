"""What people see while files travel: lines, and a bar for each file that is on its way."""

import sys
from types import TracebackType

import rich.console
import rich.progress

from twine_stage.connection import Sent


class Progress:
    """Shows progress on standard error, bars only where that is a terminal.

    Args:
        bars: whether there are any.
        quiet: whether nothing at all is shown.
    """

    def __init__(self, *, bars: bool = True, quiet: bool = False) -> None:
        self.quiet = quiet
        self._names: dict[str, rich.progress.TaskID] = {}
        console = rich.console.Console(stderr=True, highlight=False)
        self._bars = rich.progress.Progress(
            "{task.description}",
            rich.progress.BarColumn(),
            rich.progress.DownloadColumn(),
            rich.progress.TransferSpeedColumn(),
            rich.progress.TimeRemainingColumn(compact=True),
            console=console,
            disable=quiet or not bars or not console.is_terminal,
        )

    def say(self, line: str) -> None:
        """A line for people."""
        if not self.quiet:
            print(line, file=sys.stderr)

    def file(self, name: str, size: int) -> Sent:
        """Counts the bytes of one file."""
        task = self._bars.add_task(name, total=size, visible=False, start=False)
        self._names[name] = task
        return _Bar(self._bars, task)

    def done(self, name: str) -> None:
        """The file is there, or will not be."""
        self._bars.update(self._names[name], visible=False)

    def __enter__(self) -> None:
        self._bars.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()


class _Bar(Sent):
    def __init__(self, bars: rich.progress.Progress, task: rich.progress.TaskID) -> None:
        self.bars = bars
        self.task = task

    def __call__(self, size: int) -> None:
        self.bars.advance(self.task, size)

    def restart(self, offset: int) -> None:
        self.bars.start_task(self.task)
        self.bars.update(self.task, completed=offset, visible=True)
