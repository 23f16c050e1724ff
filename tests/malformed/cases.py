"""What a case is, and how an upload of any bytes is made into one."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

from tests.artifacts import make_metadata, make_record, tar_gz_of, zip_of

BOUNDARY = "b0undary"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"
AUTHORIZATION = "Bearer {token}"

WHEEL = "odd-1.0-py3-none-any.whl"
SDIST = "odd-1.0.tar.gz"
INFO = "odd-1.0.dist-info"

Files = dict[str, bytes]
Fields = Sequence[tuple[str, str | bytes]]


@dataclass(frozen=True)
class Malformed:
    """A request, and the answer that it has to get.

    In path, headers and body, words in braces are filled in by whoever sends it: `{token}`, an API
    token; `{session}` and `{csrf}`, of a person who is signed in; `{file}`, the path of a published
    wheel; `{open}`, `{discarded}`, …, addresses of drafts.

    Attributes:
        status: of the answer.
        says: stands in the answer. A case that comes to be refused for another reason than its
            own tests nothing any more.
        body: made when it is wanted, since some are large.
    """

    status: int
    says: str
    method: str = "POST"
    path: str = "/legacy/"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[], bytes] = bytes


Cases = dict[str, Malformed]


def upload(
    content: Callable[[], bytes],
    says: str,
    filename: str = WHEEL,
    *,
    status: int = 400,
    content_type: str = "application/octet-stream",
) -> Malformed:
    """The upload of a file by somebody who says nothing but the truth about it."""

    @cache
    def body() -> bytes:
        made = content()
        return form([*truth(made, filename), file_part(made, filename, content_type)])

    return Malformed(status, says, headers=SENT_BY_A_CLIENT, body=body)


SENT_BY_A_CLIENT = MappingProxyType({"Content-Type": MULTIPART, "Authorization": AUTHORIZATION})


def truth(content: bytes, filename: str = WHEEL) -> list[bytes]:
    """The fields that go with a file, as parts of a form."""
    is_sdist = filename.endswith(".tar.gz")
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": "odd",
        "version": "1.0",
        "filetype": "sdist" if is_sdist else "bdist_wheel",
        "pyversion": "source" if is_sdist else "py3",
        "sha256_digest": hashlib.sha256(content).hexdigest(),
    }
    return [text_part(name, value) for name, value in fields.items()]


def form(parts: Sequence[bytes], end: bytes = f"--{BOUNDARY}--\r\n".encode()) -> bytes:
    """The body that these parts are in."""
    return b"".join(f"--{BOUNDARY}\r\n".encode() + part + b"\r\n" for part in parts) + end


def part(head: str | bytes, content: str | bytes = b"x") -> bytes:
    """A part of a form. `head` is its headers, as they are sent."""
    head, content = (text.encode() if isinstance(text, str) else text for text in (head, content))
    return head + b"\r\n\r\n" + content


def text_part(name: str, value: str | bytes) -> bytes:
    return part(f'Content-Disposition: form-data; name="{name}"', value)


def file_part(
    content: bytes,
    filename: str = WHEEL,
    content_type: str = "application/octet-stream",
) -> bytes:
    disposition = f'Content-Disposition: form-data; name="content"; filename="{filename}"'
    return part(f"{disposition}\r\nContent-Type: {content_type}", content)


def wheel_files(
    changes: Mapping[str, bytes | None] = MappingProxyType({}),
    *,
    metadata: bytes | None = None,
    record: bool = True,
) -> Files:
    """The files of a sound wheel, with some of them changed or, with None, left out.

    In the paths of `changes`, `{info}` is the .dist-info folder. RECORD agrees with the changes,
    unless `record` is False: then it is as it was before them.
    """
    files: Files = {
        "odd/__init__.py": b"# odd\n",
        f"{INFO}/METADATA": make_metadata("odd", "1.0") if metadata is None else metadata,
        f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    recorded = files
    for path, content in changes.items():
        path = path.replace("{info}", INFO)
        files = {name: kept for name, kept in files.items() if name != path}
        if content is not None:
            files[path] = content
    recorded = files if record else recorded
    own = f"{INFO}/RECORD"
    if changes.get("{info}/RECORD", b"") is None or own in files:
        return files
    return files | {own: make_record(recorded, own)}


def wheel_with(
    changes: Mapping[str, bytes | None] = MappingProxyType({}),
    *,
    metadata: bytes | None = None,
    record: bool = True,
) -> bytes:
    """A zip archive of what `wheel_files` gives."""
    return zip_of(wheel_files(changes, metadata=metadata, record=record))


def sdist_files(metadata: bytes | None = None) -> Files:
    """The files of a sound source distribution."""
    pkg_info = make_metadata("odd", "1.0") if metadata is None else metadata
    return {"odd-1.0/PKG-INFO": pkg_info, "odd-1.0/odd.py": b"# odd\n"}


def sdist_with(metadata: bytes | None = None) -> bytes:
    """A gzipped tar archive of what `sdist_files` gives."""
    return tar_gz_of(sdist_files(metadata))
