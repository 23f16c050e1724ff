"""Files that were damaged, patched or made up: each is described or refused, and nothing else.

`tests/fuzzing.py` says how to let it run for long.
"""

import gzip
import io
import tarfile
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.distributions import description, rendering
from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.inspect import Distribution, inspect
from tests.artifacts import make_metadata, make_record, make_sdist, make_wheel, tar_gz_of, zip_of
from tests.fuzzing import Step, fuzzed, mutated, steps

WHEEL = "example-1.0-py3-none-any.whl"
SDIST = "example-1.0.tar.gz"
INFO = "example-1.0.dist-info"

METADATA = make_metadata(
    "example",
    "1.0",
    summary="An example.",
    requires_python=">=3.11, !=3.12.*",
    description="# Title\n\n* one\n* two\n",
    description_content_type="text/markdown; charset=UTF-8; variant=GFM",
    metadata_version="2.5",
    metadata_extra=[
        ("Author-Email", "Ada <ada@index.example>"),
        ("Classifier", "Programming Language :: Python :: 3"),
        ("Dynamic", "Summary"),
        ("Home-Page", "https://index.example/"),
        ("Import-Name", "example; private"),
        ("Keywords", "one,two"),
        ("License-Expression", "MIT OR (Apache-2.0 WITH LLVM-exception)"),
        ("Project-URL", "Docs, https://index.example:8443/docs"),
        ("Provides-Extra", "more"),
        ("Requires-Dist", "other[x] (>=1.0,<2); extra == 'more' and os_name != \"nt\""),
    ],
)
FILES = {
    "example/__init__.py": b"# example\n",
    f"{INFO}/METADATA": METADATA,
    f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/entry_points.txt": b"[console_scripts]\nexample = example:main [more]\n",
}
RECORD = make_record(FILES, f"{INFO}/RECORD")


@pytest.fixture(autouse=True)
def _rendered_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the process that hostile texts get, which takes most of the time.

    Whatever it does to such a process is seen in ``test_description.py``.
    """

    @cache
    def render(text: str, kind: str, variant: str) -> description._Outcome:
        if len(text) > description.MAX_RENDERED:
            return description._Outcome()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            html, warning = rendering.rendered(text, kind, variant)
        return description._Outcome(html=html, refused=html is None, warning=warning)

    monkeypatch.setattr(description, "_render_apart", render)


def examined(content: bytes, filename: str) -> Distribution | None:
    """What the file is, None when it is refused in sentences that can be shown."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        try:
            return inspect(Path(file.name), filename)
        except InvalidDistribution as refusal:
            reasons = refusal.reasons
    assert reasons
    assert all(reason and reason.isprintable() for reason in reasons)
    return None


@cache
def wheels() -> tuple[bytes, ...]:
    """Sound wheels, as different programs write them."""
    with tempfile.TemporaryDirectory() as folder:
        made = [make_wheel(Path(folder), "example").read_bytes()]
    files = FILES | {f"{INFO}/RECORD": RECORD}
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        for zip64 in (False, True):
            target = io.BytesIO()
            with zipfile.ZipFile(target, "w", method) as archive:
                for name, content in files.items():
                    with archive.open(name, "w", force_zip64=zip64) as member:
                        member.write(content)
            made.append(target.getvalue())
    return (*made, zip_of(files))


@cache
def tars() -> tuple[bytes, ...]:
    """Sound source distributions before they are compressed."""
    with tempfile.TemporaryDirectory() as folder:
        made = [gzip.decompress(make_sdist(Path(folder), "example").read_bytes())]
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w", format=form) as archive:
            names = ["PKG-INFO", "long/" + "x" * 90 + "/" + "y" * 60, "é.py"]
            for name in names:
                content = METADATA if name == "PKG-INFO" else b"# example\n"
                member = tarfile.TarInfo(f"example-1.0/{name}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        made.append(target.getvalue())
    return tuple(made)


def with_check_sums(tar: bytes) -> bytes:
    """The archive with the check sum of every header put right, so that it is believed."""
    changed = bytearray(tar)
    for at in range(0, len(changed) - 511, 512):
        block = changed[at : at + 512]
        if block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            changed[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    return bytes(changed)


def test_what_is_fuzzed_is_sound() -> None:
    for wheel in wheels():
        assert examined(wheel, WHEEL) is not None
    for tar in tars():
        assert examined(gzip.compress(with_check_sums(tar)), SDIST) is not None


@fuzzed(400)
@given(which=st.integers(0, 5), steps=steps())
def test_fuzzed_wheels_are_described_or_refused(which: int, steps: list[Step]) -> None:
    found = examined(mutated(wheels()[which], steps), WHEEL)

    assert found is None or found.normalized_name == "example"


@fuzzed(300)
@given(which=st.integers(0, 3), steps=steps())
def test_fuzzed_tarballs_are_described_or_refused(which: int, steps: list[Step]) -> None:
    tar = with_check_sums(mutated(tars()[which], steps))

    found = examined(gzip.compress(tar, 1), SDIST)

    assert found is None or found.normalized_name == "example"


@fuzzed(200)
@given(which=st.integers(0, 3), steps=steps())
def test_fuzzed_gzip_streams_are_described_or_refused(which: int, steps: list[Step]) -> None:
    found = examined(mutated(gzip.compress(tars()[which], mtime=0), steps), SDIST)

    assert found is None or found.normalized_name == "example"


@pytest.mark.parametrize("name", ["METADATA", "WHEEL", "RECORD", "entry_points.txt"])
@fuzzed(150)
@given(steps=steps())
def test_fuzzed_files_inside_are_described_or_refused(name: str, steps: list[Step]) -> None:
    files = FILES | {f"{INFO}/RECORD": RECORD}
    path = f"{INFO}/{name}"
    files[path] = mutated(files[path], steps)
    if name != "RECORD":
        files[f"{INFO}/RECORD"] = make_record(
            {name: content for name, content in files.items() if not name.endswith("/RECORD")},
            f"{INFO}/RECORD",
        )

    found = examined(zip_of(files), WHEEL)

    assert found is None or found.metadata_content == files[f"{INFO}/METADATA"]


FIELDS = (
    "Metadata-Version", "Name", "Version", "Dynamic", "Platform", "Supported-Platform", "Summary",
    "Description", "Description-Content-Type", "Keywords", "Home-Page", "Download-URL", "Author",
    "Author-Email", "Maintainer", "License", "License-Expression", "License-File", "Classifier",
    "Requires-Dist", "Requires-Python", "Requires-External", "Project-URL", "Provides-Extra",
    "Provides-Dist", "Obsoletes-Dist", "Import-Name", "Import-Namespace", "Content-Type", "X", "",
)  # fmt: skip
WORDS = (
    "example", "1.0", "2.5", "UNKNOWN", "text/markdown", "text/plain; charset=", "MIT", "OR", "AND",
    "WITH", "(", ")", "[", "]", "{", "}", ";", ",", ":", "@", "==", ">=", "~=", "!=", "*", "+", "-",
    ".", "..", "/", "\\", "'", '"', "extra", "python_version", "in", "not", "https://index.example",
    "http://[::1", "file:///x", "Private :: x", "é", "\u2028", "\x0b", "\x1f", "=?utf-8?q?=00?=",
    "\n ", "\n\t", "\r\n ", " ", "9" * 400, "1!1", "rc1", ".dev0", "=" * 30,
)  # fmt: skip

values = st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=8)), max_size=6).map("".join)
fields = st.lists(st.tuples(st.sampled_from(FIELDS), values), max_size=8)


def headed(fields: list[tuple[str, str]], body: str) -> bytes:
    head = "Metadata-Version: 2.4\nName: example\nVersion: 1.0\n"
    text = head + "".join(f"{name}: {value}\n" for name, value in fields) + "\n" + body
    return text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("filename", [WHEEL, SDIST])
@fuzzed(300)
@given(fields=fields, body=values)
def test_fuzzed_metadata_is_described_or_refused(
    filename: str, fields: list[tuple[str, str]], body: str
) -> None:
    metadata = headed(fields, body)
    if filename == SDIST:
        content = tar_gz_of({"example-1.0/PKG-INFO": metadata})
    else:
        files = FILES | {f"{INFO}/METADATA": metadata}
        content = zip_of(files | {f"{INFO}/RECORD": make_record(files, f"{INFO}/RECORD")})

    found = examined(content, filename)

    assert found is None or found.metadata_content == metadata


@fuzzed(500)
@given(filename=st.one_of(st.text(max_size=60), st.builds(
    "{}-{}-{}".format, values, values, st.sampled_from(["py3-none-any.whl", "1.tar.gz", ".whl"])
)))  # fmt: skip
def test_fuzzed_file_names_are_described_or_refused(filename: str) -> None:
    found = examined(wheels()[0], filename)

    assert found is None or found.filename == filename
