"""Where the clients are that do not agree with this project on what they depend on.

``make test`` installs ``requirements/clients.txt`` into an environment of their own. Twine, uv and
the newest pip are not there, but in the environment that the tests run in.
"""

import sys
from pathlib import Path

_CLIENTS = Path(sys.prefix) / "clients" / "bin"


def programs() -> Path:
    """The folder of the clients; where they are not installed, the test fails."""
    assert _CLIENTS.exists(), "The clients are not installed: `make test` installs them."
    return _CLIENTS


def program(name: str) -> str:
    """The path of a client; what is not installed fails the test."""
    path = programs() / name
    assert path.exists(), f"{name} is not installed: `make test` installs all clients."
    return str(path)
