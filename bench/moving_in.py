"""What it costs to import some thousand files, and to begin again when they are there.

    python -m bench.moving_in [--files N] [--projects N]

Wheels of about 1 kB, each with a description of its own, come from a folder, are looked at again,
and then go over HTTP to a second index, from the first. Each import is a process of its own:
printed are files a second, its processor time and that of what it starts, and the most memory that
the process had. Of the index that is imported from nothing is counted.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.running_index import announced_url
from tests.artifacts import make_wheel

USER = "bench"
PASSWORD = "a long password for a bench"
_PROGRAM = [sys.executable, "-m", "greenroom"]


@dataclass(frozen=True)
class Measured:
    """One import."""

    name: str
    files: int
    seconds: float
    processor: float
    memory: int

    def line(self) -> str:
        """A row of a table."""
        rate = self.files / self.seconds
        each = 1000 * self.processor / self.files
        memory = self.memory / 2**20
        return f"| {self.name} | {rate:.0f} | {each:.1f} | {memory:.0f} |"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--projects", type=int, default=500)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as name:
        folder = Path(name)
        fill(folder / "packages", options.files, options.projects)
        first, second = new_index(folder / "first"), new_index(folder / "second")
        rows = [
            measure("from a folder", first, str(folder / "packages"), expected=options.files),
            measure("again: all are there", first, str(folder / "packages")),
        ]
        serve = subprocess.Popen(
            [*_PROGRAM, "serve", "--port", "0"], env=first, stdout=subprocess.PIPE, text=True
        )
        try:
            address = f"{announced_url(serve)}/simple/"
            rows.append(measure("from an index", second, address, "--all", expected=options.files))
            rows.append(measure("again: all are there", second, address, "--all"))
        finally:
            serve.terminate()
            serve.wait()
    print("| import | files a second | CPU ms a file | peak MiB |\n| --- | --- | --- | --- |")
    print("\n".join(row.line() for row in rows))


def fill(folder: Path, files: int, projects: int) -> None:
    for number in range(files):
        project, version = number % projects, number // projects
        make_wheel(
            folder,
            f"project-{project:04}",
            f"1.{version}",
            description=f"# Project {project}\n\n" + f"What is new in *1.{version}*.\n" * 20,
            description_content_type="text/markdown",
        )


def new_index(folder: Path) -> dict[str, str]:
    """The environment of an index with a user."""
    environment = os.environ | {"GREENROOM_DATA": str(folder), "GREENROOM_LOG_FORMAT": "json"}
    command = [*_PROGRAM, "user", "create", USER, "--email", "bench@index.example"]
    subprocess.run(
        [*command, "--password-stdin"], env=environment, input=PASSWORD, text=True, check=True
    )
    return environment


def measure(
    name: str, environment: dict[str, str], source: str, *options: str, expected: int = 0
) -> Measured:
    with tempfile.NamedTemporaryFile() as written:
        arguments = ["import", source, *options, "--owner", USER, "--report", written.name]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        process = subprocess.Popen([*_PROGRAM, *arguments], env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        report = json.loads(Path(written.name).read_text())
    assert (status, report["imported"]) == (0, expected)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(name, report["files"], seconds, processor, usage.ru_maxrss * 1024)


if __name__ == "__main__":
    main()
