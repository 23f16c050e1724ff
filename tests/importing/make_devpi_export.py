"""Makes ``devpi-export/`` anew, with a real devpi-server and its own command.

    python -m tests.importing.make_devpi_export

Two stage indexes of two people, one that inherits from another, and a mirror. To start the server
takes longer than all tests of imports, so that what it wrote is kept.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.artifacts import make_sdist, make_wheel
from tests.clients.programs import program

EXPORT = Path(__file__).parent / "devpi-export"
_PORT = 3149
_URL = f"http://127.0.0.1:{_PORT}"


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server_folder = str(folder / "server")
        run("devpi-init", "--serverdir", server_folder, "--no-root-pypi")
        with serving(folder, server_folder):
            fill(folder)
        shutil.rmtree(EXPORT, ignore_errors=True)
        run("devpi-export", "--serverdir", server_folder, str(EXPORT))
    index = EXPORT / "dataindex.json"
    data = json.loads(index.read_text())
    for user in data["users"].values():
        user.pop("pwhash", None)  # nothing reads it, and it looks like a secret
    index.write_text(json.dumps(data, indent=1, sort_keys=True) + "\n")


def fill(folder: Path) -> None:
    clients = ["--clientdir", str(folder / "client")]

    def devpi(command: str, *arguments: str) -> None:
        run("devpi", command, *clients, *arguments)

    devpi("use", _URL)
    devpi("login", "root", "--password=")
    for user in ("alice", "bob"):
        devpi("user", "-c", user, "password=x", f"email={user}@index.example")
    devpi("login", "alice", "--password=x")
    devpi("index", "-c", "alice/dev", "acl_upload=alice,bob", "volatile=True")
    devpi("index", "-c", "alice/mirror", "type=mirror", f"mirror_url={_URL}/nothing/")
    devpi("use", "alice/dev")
    example = [
        make_wheel(folder / "a"),
        make_sdist(folder / "a"),
        make_wheel(folder / "a", "example", "1.1"),
    ]
    devpi("upload", *map(str, example))
    devpi("login", "bob", "--password=x")
    devpi("upload", str(make_wheel(folder / "b", "Other.Thing", "2.0")))
    devpi("index", "-c", "bob/own", "bases=alice/dev", "volatile=True")
    devpi("use", "bob/own")
    devpi("upload", str(make_wheel(folder / "c", "bobs-thing")))
    devpi("upload", str(make_wheel(folder / "d", "example", "1.1", salt="bob's own")))


def run(name: str, *arguments: str) -> None:
    subprocess.run([program(name), *arguments], check=True, stdout=sys.stderr)


@contextmanager
def serving(folder: Path, server_folder: str) -> Iterator[None]:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program("devpi-server"), "--serverdir", server_folder, "--port", str(_PORT)],
            stdout=log,
            stderr=log,
        )
        try:
            wait(process)
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)


def wait(process: subprocess.Popen[bytes]) -> None:
    for _ in range(120):
        assert process.poll() is None, "devpi-server ended"
        try:
            with urllib.request.urlopen(f"{_URL}/+api", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError("devpi-server did not start within a minute")


if __name__ == "__main__":
    main()
