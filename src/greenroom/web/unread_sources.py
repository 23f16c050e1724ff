"""Pyramid, configured without the sources of what configures it.

For each view and for each other thing that it is told, Pyramid notes the file, the line, and the
text of that line. To find the text, all these files would be read, and kept: a fifth of the start,
and 2 MiB.
"""

import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from types import FrameType
from typing import Any

import pyramid.config.actions  # type: ignore[import-untyped]
import pyramid.view
import venusian.advice  # type: ignore[import-untyped]


class _Places:
    """What is asked of ``inspect`` and ``traceback``, without the text of any line."""

    @staticmethod
    def getframeinfo(frame: FrameType) -> inspect.Traceback:
        """Where a frame is."""
        code = frame.f_code
        return inspect.Traceback(code.co_filename, frame.f_lineno, code.co_name, [""], 0)

    @staticmethod
    def extract_stack(limit: int) -> list[tuple[str, int, str, str]]:
        """Where the caller is, last, and before that whoever has called it."""
        frames = islice(traceback.walk_stack(sys._getframe(1)), limit)
        places = [(f.f_code.co_filename, line, f.f_code.co_name, "") for f, line in frames]
        return places[::-1]


@contextmanager
def unread_sources() -> Iterator[None]:
    """Let what Pyramid is told meanwhile be known by file and line alone."""
    asking: list[tuple[Any, str]] = [
        (pyramid.view, "inspect"),
        (venusian.advice, "inspect"),
        (pyramid.config.actions, "traceback"),
    ]
    asked = [getattr(module, name) for module, name in asking]
    for module, name in asking:  # nothing else tells them
        setattr(module, name, _Places)
    try:
        yield
    finally:
        for (module, name), before in zip(asking, asked, strict=True):
            setattr(module, name, before)
