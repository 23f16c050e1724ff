"""What ``docs/clients.md`` tells to write and to type, so that the tests do just that."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from tests.clients.programs import programs
from tests.serving import Server

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "clients.md"
_BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Section:
    """The files and the commands that stand under a heading."""

    files: dict[str, str]
    commands: list[str]

    def commands_of(self, program: str) -> list[str]:
        """The commands that run a program."""
        return [line for line in self.commands if re.search(rf"(^| ){program} ", line)]


def section(part: str, title: str, **values: str) -> Section:
    """A section of a part of the page.

    Each of ``values`` stands for what the page has as an example: ``url`` of the index, ``token``,
    ``slug`` of a draft, ``project``.
    """
    text = _PAGE.read_text().partition(f"\n## {part}\n")[2].partition("\n## ")[0]
    text = text.partition(f"\n### {title}\n")[2].partition("\n### ")[0]
    assert text, f"there is nothing about {title} under {part}"
    examples = {
        "url_with_token": "https://__token__:gr_...@index.example",
        "machine": "machine index.example",
    }
    examples |= {"url": "https://index.example", "token": "gr_...", "slug": "<slug>"}
    for name, example in examples.items():
        text = text.replace(example, values.get(name, example))
    text = re.sub(r"\bthing\b", values.get("project", "thing"), text)
    files, commands = {}, []
    for language, content in _BLOCK.findall(text):
        if language == "console":
            commands += re.findall(r"^\$ (.*)", content.replace("\\\n", ""), re.MULTILINE)
        elif content.startswith("# "):
            path, _, body = content.removeprefix("# ").partition("\n")
            files[path] = body
    return Section(files, commands)


def write(files: dict[str, str], *, home: Path, folder: Path) -> None:
    """Add to each file, below the home of a user or in the folder of a project."""
    for name, content in files.items():
        path = home / name[2:] if name.startswith("~/") else folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            file.write(f"\n{content}")


def type_in(
    server: Server, commands: list[str], *, home: Path, folder: Path, **environment: str
) -> CompletedProcess[str]:
    """Run commands one after the other in a shell of a user with this home."""
    bin_folders = [str(Path(sys.executable).parent), str(programs()), os.environ["PATH"]]
    return server.run(
        "bash", "-euc", "\n".join(commands),
        environment={
            "HOME": str(home),
            "PATH": os.pathsep.join(bin_folders),
            "PIP_CONFIG_FILE": str(home / ".config" / "pip" / "pip.conf"),
            "UV_NO_CONFIG": "false",
            "XDG_CONFIG_HOME": str(home / ".config"),
            **environment,
        },
        folder=folder,
    )  # fmt: skip
