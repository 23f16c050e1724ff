"""About a hundred files as they were published in twenty years, each odd in another way.

Each is of a project of its own, but for those that say otherwise; none would be taken as an upload
on a public index.
"""

import base64
import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from tests.artifacts import make_record

COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    ".tar.gz": lambda content: gzip.compress(content, mtime=0),
    ".tgz": lambda content: gzip.compress(content, mtime=0),
    ".tar.bz2": bz2.compress,
    ".tbz": bz2.compress,
    ".tar.xz": lzma.compress,
    ".tar": lambda content: content,
}


@dataclass(frozen=True)
class Odd:
    """A file, and what the index has to make of it."""

    filename: str
    content: bytes
    project: str
    version: str = "1.0"
    why: str = ""


def info(
    name: str, version: str = "1.0", *lines: str, head: str = "Metadata-Version: 1.1"
) -> bytes:
    """A PKG-INFO or METADATA file."""
    return "\n".join([head, f"Name: {name}", f"Version: {version}", *lines, ""]).encode()


def tar(files: Mapping[str, bytes], form: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar archive, not compressed."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=form) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def zipped(files: Mapping[str, bytes], comment: bytes = b"") -> bytes:
    """A zip archive, as the standard library writes it."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
        archive.comment = comment
    return target.getvalue()


def replace_member(archive: bytes, name: bytes, other: bytes) -> bytes:
    """A tar archive in which a member has another name of the same length."""
    at = archive.index(name)
    header = bytearray(archive[at : at + 512])
    header[: len(other)] = other
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return archive[:at] + bytes(header) + archive[at + 512 :]


class _Pipe(io.RawIOBase):
    """What cannot be sought in, so that sizes stand behind the members of a zip archive."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self.content += piece
        return len(piece)


def zipped_through_a_pipe(files: Mapping[str, bytes]) -> bytes:
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return pipe.content


def sdist(
    project: str,
    pkg_info: bytes | None,
    *,
    version: str = "1.0",
    stem: str = "",
    suffix: str = ".tar.gz",
    files: Mapping[str, bytes] | None = None,
    why: str = "",
    normalized_version: str = "",
) -> Odd:
    stem = stem or f"{project.replace('-', '_')}-{version}"
    members = {f"{stem}/setup.py": f"# {stem}{suffix}\n".encode()}
    if pkg_info is not None:
        members[f"{stem}/PKG-INFO"] = pkg_info
    members |= files or {}
    content = zipped(members) if suffix == ".zip" else COMPRESSIONS[suffix](tar(members))
    return Odd(f"{stem}{suffix}", content, project, normalized_version or version, why)


def wheel_files(
    project: str, metadata: bytes | None, *, version: str = "1.0", tag: str = "py2.py3-none-any"
) -> dict[str, bytes]:
    """The members of a sound wheel."""
    package = project.replace("-", "_")
    folder = f"{package}-{version}.dist-info"
    files = {f"{package}/__init__.py": f"__version__ = {version!r}\n".encode()}
    if metadata is not None:
        files[f"{folder}/METADATA"] = metadata
    python, abi, platform = tag.split("-")
    tags = "".join(
        f"Tag: {one}-{two}-{three}\n"
        for one in python.split(".")
        for two in abi.split(".")
        for three in platform.split(".")
    )
    said = f"Wheel-Version: 1.0\nGenerator: bdist_wheel (0.9)\nRoot-Is-Purelib: true\n{tags}"
    files[f"{folder}/WHEEL"] = said.encode()
    files[f"{folder}/RECORD"] = make_record(files, f"{folder}/RECORD")
    return files


def wheel(
    project: str,
    why: str,
    *,
    change: Callable[[dict[str, bytes], str], None] = lambda files, folder: None,
    metadata: bytes | None = None,
    version: str = "1.0",
    tag: str = "py2.py3-none-any",
    filename: str = "",
    pack: Callable[[Mapping[str, bytes]], bytes] = zipped,
    seal: bool = False,
) -> Odd:
    """A wheel in which one thing is odd; ``seal`` makes RECORD anew after it was changed."""
    folder = f"{project.replace('-', '_')}-{version}.dist-info"
    files = wheel_files(project, metadata or info(project, version), version=version, tag=tag)
    change(files, folder)
    if seal:
        files.pop(f"{folder}/RECORD")
        files[f"{folder}/RECORD"] = make_record(files, f"{folder}/RECORD")
    name = filename or f"{project.replace('-', '_')}-{version}-{tag}.whl"
    return Odd(name, pack(files), project, version, why)


def all_of_them() -> list[Odd]:
    """Every file, each with a name of its own."""
    odd = [
        *_archives(), *_spellings(), *_metadata(), *_texts(), *_tars(),
        *_records(), *_wheels(), *_legacy(), *_names(),
    ]  # fmt: skip
    assert len({file.filename for file in odd}) == len(odd)
    return odd


def _archives() -> Iterator[Odd]:
    for suffix in (".zip", ".tar.bz2", ".tgz", ".tbz", ".tar.xz", ".tar"):
        project = "in-" + suffix.strip(".").replace(".", "-")
        yield sdist(project, info(project), suffix=suffix, why=f"is a {suffix}")
    for suffix in (".zip", ".tar.bz2", ".tgz"):
        yield sdist("in-many", info("in-many"), suffix=suffix, why="one of several sdists")


def _spellings() -> Iterator[Odd]:
    spelled = (
        *("Spelled.Dotted", "spelled-dashed", "SPELLED", "Spelled_Mixed.Up-Name"),
        *("spelled.namespace.deep", "spelled__twice", "SpelledCamel"),
    )
    for name in spelled:
        project = name.lower().replace("__", "-").replace(".", "-").replace("_", "-")
        yield sdist(project, info(name), stem=f"{name}-1.0", why=f"is called {name}")
    versions = {
        "1.0-beta2": "1.0b2",
        "1.0beta": "1.0b0",
        "1.0.0-rc1": "1.0.0rc1",
        "1.0-1": "1.0.post1",
        "1.0a": "1.0a0",
        "01.02.03": "1.2.3",
        "v1.2": "1.2",
        "1.0.dev": "1.0.dev0",
        "2004.10-r3": "2004.10.post3",
        "1.0_beta3": "1.0b3",
        "1.0+company.1": "1.0+company.1",
    }
    for number, (written, normalized) in enumerate(versions.items()):
        project = f"version-{'abcdefghijk'[number]}"
        yield sdist(
            project,
            info(project, written),
            stem=f"{project}-{written}",
            version=written,
            normalized_version=normalized,
            why=f"has the version {written}",
        )


def _metadata() -> Iterator[Odd]:
    yield sdist("no-pkg-info", None, why="has no PKG-INFO")
    yield sdist(
        "egg-info-only",
        None,
        files={"egg_info_only-1.0/egg_info_only.egg-info/PKG-INFO": info("egg-info-only")},
        why="has PKG-INFO in its egg-info alone",
    )
    heads = {
        "no-metadata-version": b"Name: no-metadata-version\nVersion: 1.0\n",
        "no-name": b"Metadata-Version: 1.0\nVersion: 1.0\n",
        "no-version": b"Metadata-Version: 1.0\nName: no-version\n",
        "empty-metadata": b"",
        "future-metadata": info("future-metadata", head="Metadata-Version: 9.1"),
        "odd-metadata-version": info("odd-metadata-version", head="Metadata-Version: one"),
        "twice-metadata-version": info(
            "twice-metadata-version", head="Metadata-Version: 1.0\nMetadata-Version: 1.1"
        ),
        "title-for-name": info("A title for a Name"),
        "version-of-words": info("version-of-words", "the first"),
        "latin-one": info("latin-one", "1.0", "Author: Jos\xe9").decode().encode("latin-1"),
        "utf-sixteen": info("utf-sixteen").decode().encode("utf-16"),
        "byte-order": b"\xef\xbb\xbf" + info("byte-order"),
        "with-nul": info("with-nul", "1.0", "Summary: a\0b"),
        "mail-headers": info("mail-headers", "1.0", "Content-Transfer-Encoding: base64"),
        "many-names": info("many-names", "1.0", *(f"X-{number}: x" for number in range(300))),
    }
    for project, content in heads.items():
        said = content
        if project == "title-for-name":
            said = info("Title-for: Name!")
        yield sdist(project, said, why=f"has odd metadata: {project}")


_LINES = {
    "old-classifier": "Classifier: Programming Language :: Python :: 0.9",
    "gone-classifier": "Classifier: Topic :: Communications :: Chat :: AOL Instant Messenger",
    "private-classifier": "Classifier: Private :: Do Not Upload",
    "home-of-words": "Home-page: my computer",
    "home-of-ftp": "Home-page: ftp://files.example/pub",
    "home-of-script": "Home-page: javascript:alert(1)",
    "download-of-words": "Download-URL: http:/broken.example",
    "author-at": "Author-email: ada at index dot example",
    "maintainer-at": "Maintainer-email: nobody",
    "python-of-words": "Requires-Python: two or three",
    "python-star": "Requires-Python: >=2.6.*",
    "requires-words": "Requires-Dist: whatever is there",
    "requires-spaces": "Requires-Dist: example ~ 1.0",
    "requires-address": "Requires-Dist: example @ https://files.example/example-1.0.tar.gz",
    "extra-words": "Provides-Extra: all of it",
    "provides-words": "Provides-Dist: all of it (1)",
    "long-label": "Project-URL: " + "label" * 10 + ", https://index.example",
    "label-of-script": "Project-URL: Home, javascript:alert(2)",
    "license-words": "License-Expression: do what you want",
    "dynamic-words": "Dynamic: everything",
    "unknown-markup": "Description-Content-Type: text/bbcode",
    "markup-latin": "Description-Content-Type: text/markdown; charset=latin-1",
    "summary-long": "Summary: " + "long " * 200,
    "summary-lines": "Summary: one\n       two",
    "summary-twice": "Summary: one\nSummary: two",
    "name-twice": "Name: name-twice",
    "licence-gone": "License-File: LICENSE-THAT-IS-NOT-THERE",
}


def _texts() -> Iterator[Odd]:
    for project, line in _LINES.items():
        yield sdist(
            project, info(project, "1.0", line, head="Metadata-Version: 2.4"), why=line[:60]
        )
    too_new = (
        "License-Expression: MIT",
        "Description-Content-Type: text/plain",
        "Dynamic: License",
    )
    for number, line in enumerate(too_new):
        project = f"before-its-time-{'abc'[number]}"
        yield sdist(project, info(project, "1.0", line), why=f"{line} in version 1.1")
    broken = "\n\nTitle\n=\n\n`a link without an end <\n\n.. unknown:: x\n\n+--\n| a table\n"
    yield sdist("broken-rst", info("broken-rst") + broken.encode(), why="has a broken description")


def _tars() -> Iterator[Odd]:
    def packed(project: str, content: bytes, why: str) -> Odd:
        name = f"{project.replace('-', '_')}-1.0.tar.gz"
        return Odd(name, gzip.compress(content, mtime=0), project, "1.0", why)

    def usual(project: str, before: str = "") -> dict[str, bytes]:
        stem = f"{before}{project.replace('-', '_')}-1.0"
        return {f"{stem}/PKG-INFO": info(project), f"{stem}/setup.py": b"\n"}

    yield packed("dot-slash", tar(usual("dot-slash", "./")), "begins with ./")
    flat = {"PKG-INFO": info("flat-tar"), "setup.py": b"\n"}
    yield packed("flat-tar", tar(flat), "has no folder at its top")
    two = {**usual("two-tops"), "tests/test.py": b"\n"}
    yield packed("two-tops", tar(two), "has two folders at its top")
    twice = tar(usual("told-twice"))[:-10240] + tar({"told_twice-1.0/setup.py": b"2\n"})
    yield packed("told-twice", twice, "has a member twice")
    cut = tar(usual("no-end-mark")).rstrip(b"\0")
    cut += bytes(-len(cut) % 512)
    yield packed("no-end-mark", cut, "has no end mark")
    more = replace(packed("more-behind", tar(usual("more-behind")), "has bytes behind its end"))
    yield replace(more, content=more.content + b"signed by somebody")
    named = tar({**usual("latin-member"), "latin_member-1.0/a.txt": b"a"})
    named = replace_member(named, b"latin_member-1.0/a.txt", b"latin_member-1.0/\xe9.txt")
    yield packed("latin-member", named, "has a name in Latin-1")
    back = {"back_slash-1.0/PKG-INFO": info("back-slash"), "back_slash-1.0\\setup.py": b"\n"}
    yield packed("back-slash", tar(back), "has a backslash in a name")


def _records() -> Iterator[Odd]:
    def without(files: dict[str, bytes], folder: str) -> None:
        del files[f"{folder}/RECORD"]

    def with_md5(files: dict[str, bytes], folder: str) -> None:
        rows = []
        for path, content in files.items():
            digest = hashlib.md5(content).digest()
            text = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            rows.append(f"{path},md5={text},{len(content)}\n")
        files[f"{folder}/RECORD"] = "".join(rows).encode()

    def incomplete(files: dict[str, bytes], folder: str) -> None:
        files["more.py"] = b"\n"

    def lists_more(files: dict[str, bytes], folder: str) -> None:
        files[f"{folder}/RECORD"] += b"gone.py,,\n"

    def wrong(files: dict[str, bytes], folder: str) -> None:
        files[f"{folder}/RECORD"] = files[f"{folder}/RECORD"].replace(b"sha256=", b"sha256=x", 1)

    def no_list(files: dict[str, bytes], folder: str) -> None:
        files[f"{folder}/RECORD"] = b"a list of files\n"

    yield wheel("record-none", "has no RECORD", change=without)
    yield wheel("record-md5", "has MD5 in RECORD", change=with_md5)
    yield wheel("record-less", "has a file that RECORD lacks", change=incomplete)
    yield wheel("record-more", "lacks a file that RECORD has", change=lists_more)
    yield wheel("record-wrong", "has a wrong hash in RECORD", change=wrong)
    yield wheel("record-words", "has words for RECORD", change=no_list)


def _wheels() -> Iterator[Odd]:
    def without_wheel(files: dict[str, bytes], folder: str) -> None:
        del files[f"{folder}/WHEEL"]

    def old_wheel(files: dict[str, bytes], folder: str) -> None:
        files[f"{folder}/WHEEL"] = b"Wheel-Version: 0.1\nTag: py2.py3-none-any\n"

    def other_tags(files: dict[str, bytes], folder: str) -> None:
        files[f"{folder}/WHEEL"] = b"Wheel-Version: 1.0\nTag: py2-none-any\n"

    def scripts(files: dict[str, bytes], folder: str) -> None:
        files[f"{folder}/entry_points.txt"] = b"[console_scripts]\nrun me = nothing\n"

    def respelled(files: dict[str, bytes], folder: str) -> None:
        for path in [path for path in files if path.startswith(folder)]:
            files[path.replace(folder, "Dist-Info.Other-1.0.dist-info")] = files.pop(path)

    yield wheel("wheel-less", "has no WHEEL", change=without_wheel, seal=True)
    yield wheel("wheel-old", "has an old Wheel-Version", change=old_wheel, seal=True)
    yield wheel("tags-less", "has other tags in WHEEL", change=other_tags, seal=True)
    yield wheel("script-words", "has scripts that are none", change=scripts, seal=True)
    yield wheel("other-folder", "has another dist-info", change=respelled)
    yield wheel("for-my-linux", "is for one machine", tag="cp27-cp27mu-linux_x86_64")
    yield wheel("for-nowhere", "is for an unknown platform", tag="cp27-none-haiku_1")
    camel = "CamelWheel-1.0-py2.py3-none-any.whl"
    yield wheel("camelwheel", "is called CamelWheel", filename=camel)
    dotted = "dotted.wheel-1.0-py2.py3-none-any.whl"
    yield wheel("dotted-wheel", "is called dotted.wheel", filename=dotted)
    beta = "version_wheel-1.0_beta2-py2.py3-none-any.whl"
    odd = wheel(
        "version-wheel", "is 1.0_beta2", filename=beta, metadata=info("version-wheel", "1.0-beta2")
    )
    yield replace(odd, version="1.0b2")
    yield wheel("local-wheel", "is a local version", version="1.0+cpu", tag="py3-none-any")
    yield wheel("piped-zip", "was zipped through a pipe", pack=zipped_through_a_pipe)
    yield wheel(
        "commented-zip", "has a comment", pack=lambda files: zipped(files, comment=b"made by hand")
    )
    yield wheel(
        "launched-zip", "has a script before it", pack=lambda files: b"#!/bin/sh\n" + zipped(files)
    )
    text = info("latin-wheel", "1.0", "Author: Jos\xe9").decode().encode("latin-1")
    yield wheel("latin-wheel", "has METADATA in Latin-1", metadata=text)
    address = info("direct-wheel", "1.0", "Requires-Dist: example @ https://files.example/e.whl")
    yield wheel("direct-wheel", "requires an address", metadata=address)


def _legacy() -> Iterator[Odd]:
    def egg(project: str, filename: str, pkg_info: bytes | None) -> Odd:
        files = {f"{project.replace('-', '_')}.py": f"# {filename}\n".encode()}
        if pkg_info is not None:
            files["EGG-INFO/PKG-INFO"] = pkg_info
        return Odd(filename, zipped(files), project, "1.0", "is an egg")

    def installer(project: str, filename: str, path: str) -> Odd:
        files = {path: info(project), "PURELIB/module.py": f"# {filename}\n".encode()}
        return Odd(filename, b"MZ" + bytes(300) + zipped(files), project, "1.0", "is an installer")

    yield egg("egg-pure", "egg_pure-1.0-py2.7.egg", info("egg-pure"))
    yield egg("egg-built", "egg_built-1.0-py2.7-linux-x86_64.egg", info("egg-built"))
    yield egg("egg-plain", "egg_plain-1.0.egg", info("egg-plain"))
    yield egg("egg-silent", "egg_silent-1.0-py3.4.egg", None)
    yield installer(
        "installer-flat",
        "installer-flat-1.0.win32.exe",
        "PURELIB/installer_flat-1.0-py2.7.egg-info",
    )
    yield installer(
        "installer-deep",
        "installer-deep-1.0.win-amd64-py2.7.exe",
        "PURELIB/installer_deep-1.0-py2.7.egg-info/PKG-INFO",
    )


def _names() -> Iterator[Odd]:
    for project in ("json", "asyncio", "test"):
        yield sdist(project, info(project, head="Metadata-Version: 1.2"), why="is a module's name")


REFUSED = {
    "contradiction-2.0.tar.gz": COMPRESSIONS[".tar.gz"](
        tar({"contradiction-2.0/PKG-INFO": info("contradiction", "1.0")})
    ),
    "somebody-1.0.zip": zipped({"somebody-1.0/PKG-INFO": info("else")}),
    "words-1.0-final-really.zip": zipped({"w/PKG-INFO": info("words", "1.0-final-really")}),
    "climbing-1.0.zip": zipped({"climbing-1.0/PKG-INFO": info("climbing"), "../evil": b""}),
    "climbing-1.0.tar.bz2": bz2.compress(tar({"climbing-1.0/../../evil": b""})),
    "damaged-1.0.zip": zipped({"damaged-1.0/PKG-INFO": info("damaged")})[:-30],
    "damaged-1.0.tar.bz2": bz2.compress(tar({"damaged-1.0/PKG-INFO": info("damaged")}))[:-9],
    "bomb-1.0.tar.bz2": bz2.compress(tar({"bomb-1.0/zeros": bytes(70 * 2**20)})),
    "bomb-1.0.zip": zipped({"bomb-1.0/zeros": bytes(70 * 2**20)}),
    "package-1.0.msi": b"\xd0\xcf\x11\xe0",
    "package-1.0.noarch.rpm": b"\xed\xab\xee\xdb",
    "nothing-1.0-py3-none-any.whl": zipped({"nothing.py": b""}),
    "empty-1.0.zip": b"",
}
"""What nobody can say anything certain of, or what is dangerous."""
