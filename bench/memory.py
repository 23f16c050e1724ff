"""How much memory a worker needs to take and to give a file of a gigabyte.

    python -m bench.memory [--size MIB] [--url URL --token TOKEN --pid PID]

Uploads one large wheel as twine would, then downloads it as pip would, and prints by how much the
peak of each worker's memory rose. Without --url it runs an index of its own; --pid is the process
that is the parent of the workers. Linux only, for it reads /proc.
"""

import argparse
import base64
import hashlib
import http.client
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from bench.running_index import RunningIndex, running_index, workers_of

MIB = 1024**2
PIECE = 256 * 1024
PROJECT = "bench-memory"
BOUNDARY = "greenroom-bench"


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--size", type=int, default=1024, metavar="MIB")
    arguments.add_argument("--url")
    arguments.add_argument("--token")
    arguments.add_argument("--pid", type=int)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder:
        wheel = make_wheel(Path(folder), f"1.{int(time.time())}", options.size * MIB)
        if options.url:
            measure(RunningIndex(options.url, options.token, options.pid), wheel)
            return
        with running_index() as uow:
            measure(uow, wheel)


def measure(uow: RunningIndex, wheel: "Wheel") -> None:
    """Upload and download, and print what that took."""
    connection = connect(uow.url)
    warm_up(connection, uow)
    with reported("upload", uow, wheel.size):
        upload(connection, uow, wheel)
    with reported("download", uow, wheel.size):
        download(connection, uow, wheel)
    connection.close()


@contextmanager
def reported(what: str, uow: RunningIndex, size: int) -> Iterator[None]:
    """Print the time of a block and the rise of each worker's peak of memory during it."""
    before = peaks(uow.pid)
    began = time.perf_counter()
    yield
    seconds = time.perf_counter() - began
    rises = [f"{(peak - before.get(pid, 0)) / MIB:+.1f}" for pid, peak in peaks(uow.pid).items()]
    print(
        f"{what:9} {size / MIB:6.0f} MiB in {seconds:5.1f} s, {size / MIB / seconds:6.1f} MiB/s; "
        f"peak memory of the workers, in MiB: {'  '.join(rises)}"
    )


def peaks(pid: int) -> dict[int, int]:
    """The most memory each worker has had so far, in bytes."""
    return {worker: _peak(worker) for worker in workers_of(pid)}


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


@dataclass(frozen=True)
class Wheel:
    """A file to upload."""

    path: Path
    version: str
    size: int
    sha256: str


def make_wheel(folder: Path, version: str, size: int, tag: str = "py3-none-any") -> Wheel:
    """Make a valid wheel with `size` bytes of noise in it."""
    module = PROJECT.replace("-", "_")
    path = folder / f"{module}-{version}-{tag}.whl"
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {PROJECT}\nVersion: {version}\nSummary: Noise.\n"
    tags = f"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: {tag}\n"
    with zipfile.ZipFile(path, "w") as archive:
        record = [
            _add_noise(archive, f"{module}/noise.bin", size),
            _add_text(archive, f"{info}/METADATA", metadata),
            _add_text(archive, f"{info}/WHEEL", tags),
        ]
        archive.writestr(f"{info}/RECORD", "".join([*record, f"{info}/RECORD,,\n"]))
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Wheel(path, version, path.stat().st_size, sha256)


def _add_text(archive: zipfile.ZipFile, name: str, text: str) -> str:
    archive.writestr(name, text)
    return _record_line(name, hashlib.sha256(text.encode()), len(text))


def _add_noise(archive: zipfile.ZipFile, name: str, size: int) -> str:
    member = zipfile.ZipInfo(name)
    member.file_size = size
    digest = hashlib.sha256()
    with archive.open(member, "w") as file:
        for _ in range(size // MIB):
            noise = os.urandom(MIB)
            digest.update(noise)
            file.write(noise)
    return _record_line(name, digest, size)


def _record_line(name: str, digest: "hashlib._Hash", size: int) -> str:
    encoded = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")
    return f"{name},sha256={encoded},{size}\n"


def connect(url: str) -> http.client.HTTPConnection:
    """A connection to the index."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)


def warm_up(connection: http.client.HTTPConnection, uow: RunningIndex) -> None:
    """Let the workers import and cache what any first request makes them."""
    for _ in range(20):
        for path in ("/", "/simple/", f"/simple/{PROJECT}/"):
            _get(connection, path)
        fresh = connect(uow.url)
        _get(fresh, "/")
        fresh.close()


def _get(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path, headers={"Accept": "*/*"})
    return connection.getresponse().read()


def upload(connection: http.client.HTTPConnection, uow: RunningIndex, wheel: Wheel) -> None:
    """Upload a wheel in one form, as upload clients do."""
    head, tail = _form(wheel)
    credentials = base64.b64encode(f"__token__:{uow.token}".encode()).decode("ascii")
    headers = {
        "Authorization": f"Basic {credentials}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(head) + wheel.size + len(tail)),
    }
    body = _pieces(head, wheel.path, tail)
    connection.request("POST", "/legacy/", body=body, headers=headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != http.HTTPStatus.OK:
        raise SystemExit(f"The upload was refused: {answer.status} {answer.reason}")


def _form(wheel: Wheel) -> tuple[bytes, bytes]:
    """What stands before the file in the form, and what stands after it."""
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": PROJECT,
        "version": wheel.version,
        "summary": "Noise.",
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "sha256_digest": wheel.sha256,
    }
    head = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    head += (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="content"; filename="{wheel.path.name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode(), f"\r\n--{BOUNDARY}--\r\n".encode()


def _pieces(head: bytes, path: Path, tail: bytes) -> Iterator[bytes]:
    yield head
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
    yield tail


def download(connection: http.client.HTTPConnection, uow: RunningIndex, wheel: Wheel) -> None:
    """Find the wheel in the simple index and download it."""
    page = f"/simple/{PROJECT}/"
    headers = {"Accept": "application/vnd.pypi.simple.v1+json"}
    connection.request("GET", page, headers=headers)
    listed: list[dict[str, str]] = json.loads(connection.getresponse().read())["files"]
    link = next(file["url"] for file in listed if file["filename"] == wheel.path.name)
    connection.request("GET", urlsplit(urljoin(uow.url + page, link)).path)
    answer = connection.getresponse()
    digest = hashlib.sha256()
    while piece := answer.read(PIECE):
        digest.update(piece)
    if digest.hexdigest() != wheel.sha256:
        raise SystemExit("What was downloaded is not what was uploaded.")


if __name__ == "__main__":
    main()
