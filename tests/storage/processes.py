"""Processes of their own that use the same storage as a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import greenroom
from tests import processes

_PUT = """
import os
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from greenroom.storage import open_storage

url, folder, endpoint, path, digest = sys.argv[1:]
storage = open_storage(url or None, Path(folder), s3_endpoint=endpoint or None)
"""


def start(
    code: str, place: tuple[str | None, str | None], folder: Path, path: Path, digest: str
) -> processes.Process:
    """Run `code` in a process that has a `storage` at `place`, a `path` and a `digest`."""
    url, endpoint = place
    source = Path(greenroom.__file__).parents[1]
    return processes.start(
        [sys.executable, "-c", _PUT + code, url or "", folder, endpoint or "", path, digest],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(source)},
    )
