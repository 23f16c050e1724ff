"""How far something is that takes long, for whoever waits for it."""

from typing import Protocol


class Progress(Protocol):
    """Told what is done, step by step; it may be called from several threads."""

    def begin(self, what: str, total: int) -> None:
        """A step begins, which is done after so many bytes or rows."""
        ...

    def advance(self, done: int) -> None:
        """So many more bytes or rows of the step are done."""
        ...


class Silent:
    """Tells nobody."""

    def begin(self, what: str, total: int) -> None:
        """See ``Progress.begin``."""

    def advance(self, done: int) -> None:
        """See ``Progress.advance``."""
