"""Sound archives with files inside that say nothing, or too much, or the wrong thing."""

import hashlib
from collections.abc import Callable

from tests.artifacts import Fields, make_metadata, zip_of
from tests.malformed.cases import INFO, SDIST, Cases, sdist_with, upload, wheel_files
from tests.malformed.cases import wheel_with as wheel

MIB = 1024 * 1024
HEAD = b"Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n"

TOO_LONG = "this index takes at most 4096."


def saying(*fields: tuple[str, str], version: str = "2.1") -> bytes:
    """Metadata that is sound but for these fields."""
    return make_metadata("odd", "1.0", metadata_extra=fields, metadata_version=version)


def described(text: str, content_type: str = "text/x-rst") -> bytes:
    return make_metadata("odd", "1.0", description=text, description_content_type=content_type)


def _without(name: bytes) -> bytes:
    return b"\n".join(line for line in HEAD.splitlines() if not line.startswith(name)) + b"\n"


NO_RST = "The description does not render as reStructuredText"


def _raw_metadata() -> dict[str, tuple[bytes, str]]:
    return {
        "nothing": (b"", "has no Metadata-Version"),
        "blank lines": (b"\n\n\n", "has no Metadata-Version"),
        "no field": (b"hello, world\n", "has no Metadata-Version"),
        "noise": (bytes(range(1, 256)) * 9, "is not encoded in UTF-8"),
        "NUL": (HEAD + b"Summary: a\0b\n", "has NUL characters"),
        "zeros": (bytes(5000), "has NUL characters"),
        "UTF-16": (HEAD.decode().encode("utf-16"), "NUL"),
        "Latin-1": (HEAD + b"Author: Ren\xe9\n", "is not encoded in UTF-8"),
        "half a character": (HEAD + b"Author: \xed\xa0\xbd\n", "is not encoded in UTF-8"),
        "a byte order mark": (b"\xef\xbb\xbf" + HEAD, "has no Metadata-Version"),
        "only a body": (b"\n" + HEAD, "has no Metadata-Version"),
        "a mail": (
            HEAD + b"Content-Type: message/rfc822\n\nName: other\n",
            "has the mail header 'Content-Type'",
        ),
        "mail in mail": (
            HEAD + b"content-type: multipart/mixed; boundary=a\n\n--a\n" * 50,
            "has the mail header 'content-type'",
        ),
        "an encoded body": (
            HEAD + b"Content-Transfer-Encoding: base64\n\n????",
            "has the mail header 'Content-Transfer-Encoding'",
        ),
        "9 MiB": (HEAD + b"\n" + b"x" * 9 * MIB, "is longer than 8388608 bytes"),
        "too many fields": (HEAD + b"Platform: x\n" * 20_001, "has too many fields"),
        "too many names of fields": (
            HEAD + b"".join(b"X-%d: x\n" % i for i in range(201)),
            "has too many fields",
        ),
        "no Metadata-Version": (_without(b"Metadata"), "has no Metadata-Version"),
        "no Name": (_without(b"Name"), "has no Name"),
        "no Version": (_without(b"Version"), "has no Version"),
        "an empty Name": (HEAD.replace(b" odd", b""), "has no Name"),
        "UNKNOWN as Name": (HEAD.replace(b"odd", b"UNKNOWN"), "has no Name"),
        "two Metadata-Version": (HEAD + b"Metadata-Version: 2.2\n", "is given more than once"),
        "two Name": (HEAD + b"Name: other\n", "Name is given more than once"),
        "two Name in other letters": (HEAD + b"NAME: odd\n", "Name is given more than once"),
        "two Version": (HEAD + b"Version: 2.0\n", "Version is given more than once"),
        "two Summary": (HEAD + b"Summary: a\nSummary: b\n", "Summary is given more than once"),
        "two Project-URL": (
            HEAD + b"Project-URL: a, https://a.example\nProject-URL: a, https://b.example\n",
            "two Project-URL with the same label",
        ),
        "two descriptions": (HEAD + b"Description: a\n\nb\n", "Description"),
        "a Summary of two lines": (HEAD + b"Summary: a\n b\n", "has more than one line"),
        "a name folded over lines": (HEAD.replace(b"odd", b"o\n dd"), "The Name"),
    }


def _fields() -> dict[str, tuple[Fields, str]]:
    return {
        "a long Summary": ([("Summary", "x" * 513)], "is longer than 512 characters"),
        "an invented Classifier": ([("Classifier", "Made :: Up")], "is not known"),
        "an old Classifier": (
            [("Classifier", "Natural Language :: Ukranian")],
            "is deprecated; use 'Natural Language :: Ukrainian'",
        ),
        "a private Classifier": ([("Classifier", "Private :: Do Not Upload")], "not for a public"),
        "a Classifier that clients mistake": ([("Classifier", "already exists")], "already-exist"),
        "a link that runs": ([("Home-Page", "javascript:alert(1)")], "not a valid http or https"),
        "a link to a file": ([("Download-URL", "file:///etc/passwd")], "not a valid http"),
        "a link without a host": ([("Home-Page", "https://")], "not a valid http"),
        "a link to a port too far": ([("Home-Page", "https://a.example:99999")], "not a valid"),
        "a link with half an address": ([("Home-Page", "http://[::1")], "not a valid http"),
        "a link with a line in it": ([("Home-Page", "https://a.example/\u2028x")], "not a valid"),
        "an endless link": ([("Home-Page", "https://a.example/" + "x" * 5000)], TOO_LONG),
        "a Project-URL without a label": ([("Project-URL", ", https://a.example")], "must have 1"),
        "a Project-URL with a long label": (
            [("Project-URL", "x" * 33 + ", https://a.example")],
            "must have 1 to 32 characters",
        ),
        "a Project-URL that runs": ([("Project-URL", "a, data:text/html,x")], "not a valid http"),
        "a requirement that is none": ([("Requires-Dist", "???")], "is not valid (PEP 508)"),
        "a requirement of a URL": (
            [("Requires-Dist", "x @ https://a.example/x.whl")],
            "refers to a URL",
        ),
        "a requirement of a file": ([("Requires-Dist", "x @ file:///x.whl")], "refers to a URL"),
        "an endless requirement": ([("Requires-Dist", "x>=" + "1." * 5000 + "1")], TOO_LONG),
        "a requirement that nests": (
            [("Requires-Dist", "x; " + "(" * 1000 + "os_name=='a'" + ")" * 1000)],
            "is not valid (PEP 508)",
        ),
        "a requirement of a regular expression": (
            [("Requires-Dist", "x" + "[a" * 2000)],
            "is not valid (PEP 508)",
        ),
        "a Requires-Python that is none": ([("Requires-Python", "three")], "is not valid"),
        "an endless Requires-Python": ([("Requires-Python", ">=3," * 3000)], TOO_LONG),
        "an extra that is none": ([("Provides-Extra", "a b!")], "is not a valid name"),
        "a content type that is none": (
            [("Description-Content-Type", "text/html")],
            "is not known",
        ),
        "a content type of many parts": (
            [("Description-Content-Type", 'multipart/mixed; boundary="x"')],
            "is not known",
        ),
        "a content type in Latin-1": (
            [("Description-Content-Type", "text/plain; charset=latin-1")],
            "is not known",
        ),
        "a variant that is none": (
            [("Description-Content-Type", "text/markdown; variant=Other")],
            "is not known",
        ),
        "a field before its time": ([("License-Expression", "MIT")], "came with metadata version"),
        "Dynamic before its time": ([("Dynamic", "Summary")], "came with metadata version 2.2"),
    }


def _later_fields() -> dict[str, tuple[str, Fields, str]]:
    return {
        "a Dynamic name": ("2.2", [("Dynamic", "Name")], "no field that may be dynamic"),
        "a Dynamic invention": ("2.2", [("Dynamic", "Colour")], "no field that may be dynamic"),
        "a license that is none": (
            "2.4",
            [("License-Expression", "Mine AND Yours")],
            "is not valid; it is made of SPDX identifiers",
        ),
        "a license that nests": (
            "2.4",
            [("License-Expression", "(" * 1500 + "MIT" + ")" * 1500)],
            "is not valid",
        ),
        "a license that runs": (
            "2.4",
            [("License-Expression", "__import__('os')")],
            "is not valid",
        ),
        "a license file elsewhere": (
            "2.4",
            [("License-File", "../../etc/passwd")],
            "is not a relative path",
        ),
        "a license file at the root": ("2.4", [("License-File", "/x")], "is not a relative path"),
        "a license file that is missing": ("2.4", [("License-File", "COPYING")], "is missing"),
        "an Import-Name that is none": ("2.5", [("Import-Name", "a b")], "is not valid (PEP 794)"),
        "an Import-Name that is a word": ("2.5", [("Import-Name", "class")], "is not valid"),
        "metadata of the future": ("2.99", [], "has Metadata-Version '2.99'; this index knows"),
        "metadata of the far future": ("99.0", [], "has Metadata-Version '99.0'"),
        "metadata of a time that never was": ("1.3", [], "has Metadata-Version '1.3'"),
        "metadata of no time": ("soon", [], "has Metadata-Version 'soon'"),
        "metadata of a long time": ("9" * 5000, [], TOO_LONG),
    }


def _identity() -> dict[str, tuple[bytes, str]]:
    return {
        "another project": (make_metadata("other", "1.0"), "for the project 'odd', but"),
        "another version": (make_metadata("odd", "1.1"), "is for version '1.0', but"),
        "a name that is none": (make_metadata("-odd-", "1.0"), "is not valid: letters, digits"),
        "a name in other letters": (
            make_metadata("\u043edd", "1.0"),
            "is not valid: letters, digits",
        ),
        "a name with a path": (make_metadata("../odd", "1.0"), "is not valid: letters, digits"),
        "an endless name": (make_metadata("odd" * 5000, "1.0"), TOO_LONG),
        "a version that is none": (make_metadata("odd", "one"), "is not valid (PEP 440)"),
        "a version with a path": (make_metadata("odd", "1.0/../2"), "is not valid (PEP 440)"),
        "a local version": (make_metadata("odd", "1.0+mine"), "has a local part ('+')"),
        "an endless version": (make_metadata("odd", "1" * 5000), TOO_LONG),
        "a version of 4096 digits": (make_metadata("odd", "1" * 4096), "is for version '1.0', but"),
        "a version of 2000 parts": (
            make_metadata("odd", "1" + ".0" * 2000 + ".1"),
            "is for version '1.0', but",
        ),
    }


def _descriptions() -> dict[str, tuple[bytes, str]]:
    deep = "".join("  " * i + "* x\n\n" for i in range(400))
    return {
        "rst that is broken": (described("Title\n=\n\n.. nonsense::\n"), NO_RST),
        "rst that reads a file": (described(".. include:: /etc/passwd\n"), NO_RST),
        "rst that is HTML": (described(".. raw:: html\n\n   <script>1</script>\n"), NO_RST),
        "rst that nests": (described(deep + "`x`:nonsense:\n\n.. nonsense::\n"), NO_RST),
    }


def _wheel_contents() -> Cases:
    rows = wheel_files()[f"{INFO}/RECORD"]
    text = rows.decode()
    md5 = "md5=" + hashlib.md5(b"# odd\n", usedforsecurity=False).hexdigest()
    own = f"{INFO}/RECORD,,"
    records: dict[str, tuple[bytes | None, str]] = {
        "that is empty": (b"", "is not listed in RECORD"),
        "that is not in UTF-8": (b"\xff\xfe,,\n", "RECORD is not encoded in UTF-8"),
        "of noise": (bytes(range(1, 128)) * 9, "RECORD"),
        "with an open quote": (b'"odd/__init__.py,,\n', "RECORD"),
        "with too many columns": (rows + b"a,b,c,d\n", "RECORD is not a list of paths"),
        "with too few columns": (rows + b"a\n", "RECORD is not a list of paths"),
        "with NUL": (rows + b"a\0b,,\n", "RECORD"),
        "of too long a column": (rows + b"a" * 200_000 + b",,\n", "RECORD is not a list"),
        "with two entries for a file": (
            rows + b"odd/__init__.py,sha256=x,1\n",
            "has two different entries for 'odd/__init__.py'",
        ),
        "with a file that is not there": (
            b"odd/gone.py,sha256=x,1\n" + rows,
            "RECORD lists 'odd/gone.py', which the wheel does not have",
        ),
        "with a file outside": (
            b"../../etc/passwd,sha256=x,1\n" + rows,
            "which the wheel does not have",
        ),
        "with its own hash": (
            text.replace(own, f"{INFO}/RECORD,sha256=x,1").encode(),
            "has a hash of itself",
        ),
        "with a size that is none": (rows + b"a,sha256=x,many\n", "is not valid"),
        "with a negative size": (rows + b"a,sha256=x,-1\n", "RECORD"),
        "with a hash that is none": (rows + b"a,nonsense,1\n", "is not valid"),
        "with MD5": (
            "\n".join(
                f"odd/__init__.py,{md5}," if row.startswith("odd/__init__") else row
                for row in text.splitlines()
            ).encode(),
            "RECORD uses 'md5'",
        ),
        "with an invented algorithm": (
            text.replace("odd/__init__.py,sha256", "odd/__init__.py,shake_128").encode(),
            "RECORD uses 'shake_128'",
        ),
        "without hashes": (
            "".join(f"{name},,\n" for name in wheel_files()).encode(),
            "RECORD gives no hash for the member",
        ),
        "that is not there": (None, "The wheel has no RECORD"),
    }
    files: dict[str, tuple[dict[str, bytes | None], str]] = {
        f"RECORD {name}": ({"{info}/RECORD": content}, says)
        for name, (content, says) in records.items()
    }
    files |= {
        "no METADATA": ({"{info}/METADATA": None}, "The wheel has no METADATA"),
        "METADATA that is a folder": (
            {"{info}/METADATA": None, "{info}/METADATA/": b""},
            "The wheel has no METADATA",
        ),
        "METADATA in small letters": (
            {"{info}/METADATA": None, "{info}/metadata": HEAD},
            "The wheel has no METADATA",
        ),
        "no WHEEL": ({"{info}/WHEEL": None}, "The wheel has no WHEEL"),
        "an empty WHEEL": ({"{info}/WHEEL": b""}, "must have exactly one Wheel-Version"),
        "two Wheel-Version": (
            {"{info}/WHEEL": b"Wheel-Version: 1.0\nWheel-Version: 1.9\n"},
            "must have exactly one Wheel-Version",
        ),
        "a wheel of version 2": ({"{info}/WHEEL": b"Wheel-Version: 2.0\n"}, "this index knows 1.x"),
        "a wheel of no version": ({"{info}/WHEEL": b"Wheel-Version: one\n"}, "knows 1.x"),
        "WHEEL not in UTF-8": ({"{info}/WHEEL": b"Wheel-Version: \xff\n"}, "WHEEL is not encoded"),
        "WHEEL of 2 MiB": ({"{info}/WHEEL": b"x" * 2 * MIB}, "is longer than 1048576 bytes"),
        "entry points without a section": (
            {"{info}/entry_points.txt": b"a = b:c\n"},
            "entry_points.txt cannot be parsed",
        ),
        "entry points of noise": (
            {"{info}/entry_points.txt": bytes(range(256))},
            "entry_points.txt is not encoded in UTF-8",
        ),
        "a script twice": (
            {"{info}/entry_points.txt": b"[console_scripts]\na = b:c\na = d:e\n"},
            "entry_points.txt cannot be parsed",
        ),
        "a section twice": (
            {"{info}/entry_points.txt": b"[a]\nb = c\n[a]\nd = e\n"},
            "entry_points.txt cannot be parsed",
        ),
        "a script with a path": (
            {"{info}/entry_points.txt": b"[console_scripts]\n../../bin/sh = a:b\n"},
            "has no name that a command can have",
        ),
        "a script with a blank": (
            {"{info}/entry_points.txt": b"[gui_scripts]\nfoo bar = a:b\n"},
            "has no name that a command can have",
        ),
        "WHEEL for something else": (
            {"{info}/WHEEL": b"Wheel-Version: 1.0\nTag: py2-none-any\n"},
            "WHEEL contradicts the file name",
        ),
        "WHEEL without a tag": (
            {"{info}/WHEEL": b"Wheel-Version: 1.0\n"},
            "WHEEL contradicts the file name",
        ),
        "WHEEL with a tag that is none": (
            {"{info}/WHEEL": b"Wheel-Version: 1.0\nTag: py3\n"},
            "is not of the form python-abi-platform",
        ),
        "WHEEL with a great many tags": (
            {
                "{info}/WHEEL": b"Wheel-Version: 1.0\n"
                + b"Tag: py3-none-any\n" * 10
                + b"Tag: "
                + b".".join([b"a"] * 9000)
                + b"-b.c-any\n"
            },
            "more than 1000 combinations",
        ),
        "a script that runs": (
            {"{info}/entry_points.txt": b"[console_scripts]\na = os; print(1)\n"},
            "is not of the form module:function",
        ),
        "a script without a value": (
            {"{info}/entry_points.txt": b"[console_scripts]\na\n"},
            "cannot be parsed",
        ),
        "entry points of 2 MiB": (
            {"{info}/entry_points.txt": b"[a]\n" * MIB},
            "is longer than 1048576 bytes",
        ),
        "two .dist-info folders": ({"other-1.0.dist-info/METADATA": b""}, "but has 2"),
        ".dist-info of another project": (
            {"{info}/METADATA": None, "{info}/WHEEL": None, "{info}/RECORD": None}
            | {
                name.replace("odd-", "other-"): content
                for name, content in wheel_files().items()
                if name.startswith(INFO)
            },
            "does not have the name and the version of the file name",
        ),
    }
    return {
        f"wheel: {name}": upload(lambda changes=changes: wheel(changes), says)  # type: ignore[misc]
        for name, (changes, says) in files.items()
    } | {
        "wheel: a file that is not in RECORD": upload(
            lambda: wheel({"odd/more.py": b""}, record=False), "is not listed in RECORD"
        ),
        "wheel: a file that is not as in RECORD": upload(
            lambda: wheel({"odd/__init__.py": b"# 0dd\n"}, record=False),
            "The hash of the member 'odd/__init__.py' is not the one in RECORD",
        ),
        "wheel: a file that is longer than in RECORD": upload(
            lambda: wheel({"odd/__init__.py": b"# odd\n" * 2}, record=False),
            "The size of the member 'odd/__init__.py' is not the one in RECORD",
        ),
    }


def _metadata() -> Cases:
    """Each in a wheel; what an sdist calls PKG-INFO goes the same way from there."""
    contents = _raw_metadata() | _identity() | _descriptions()
    contents |= {name: (saying(*fields), says) for name, (fields, says) in _fields().items()}
    contents |= {
        name: (saying(*fields, version=version), says)
        for name, (version, fields, says) in _later_fields().items()
    }
    in_wheels = {
        f"METADATA: {name}": upload(
            lambda content=content: wheel(metadata=content),  # type: ignore[misc]
            says,
        )
        for name, (content, says) in contents.items()
    }
    in_sdists = {
        f"PKG-INFO: {name}": upload(
            lambda content=content: sdist_with(content),  # type: ignore[misc]
            says,
            SDIST,
        )
        for name, (content, says) in (_raw_metadata() | _identity()).items()
        if name != "9 MiB"
    }
    return in_wheels | in_sdists


def _filenames() -> Cases:
    named = {
        "../odd-1.0-py3-none-any.whl": "has characters that no distribution's name has",
        "..\\odd-1.0-py3-none-any.whl": "no distribution's name has",
        "odd-1.0-py3-none-any.whl/": "no distribution's name has",
        "\u043edd-1.0-py3-none-any.whl": "no distribution's name has",
        "odd-1.0-py3-none-any.exe": "ends neither in .tar.gz",
        "odd-1.0-py3-none-any.whl.tar.gz": "version",
        "odd.whl": "is not of the form name-version",
        "-.tar.gz": "no valid project name",
        ".whl": "must not begin with a dot",
        "odd-2-py3-none-any.whl": "is for version '2', but",
        "odd-01.0-py3-none-any.whl": "should be written '1.0'",
        "odd-1.0-x-py3-none-any.whl": "must begin with a digit",
        "odd-1.0-py3-none-linux_x86_64.whl": "fits only the machine it was built on",
        "odd-1.0-py3-none-amiga.whl": "is not supported by this index",
        "odd-1.0-py3..py2-none-any.whl": "The Python tag",
        "x" * 300 + ".whl": "longer than 255 characters",
    }
    return {f"file name: {name[:40]}": upload(wheel, says, name) for name, says in named.items()}


CASES: Cases = {**_wheel_contents(), **_metadata(), **_filenames()}


def _bombs() -> bytes:
    """A zip of zips that holds gigabytes, for whoever unpacks what is unpacked."""
    inner = zip_of({"zeros": bytes(64 * 1024)})
    for _ in range(7):
        inner = zip_of({f"{number}.zip": inner for number in range(10)})
        inner = zip_of({"all.zip": inner})  # ten times the same: it shrinks to almost one
    return inner


HOSTILE: dict[str, Callable[[], bytes]] = {
    "Markdown that runs": lambda: wheel(
        metadata=described(
            "<script>alert(1)</script> <img src=x onerror=alert(1)> [a](javascript:alert(1))",
            "text/markdown",
        )
    ),
    "Markdown that nests": lambda: wheel(metadata=described("[" * 20_000, "text/markdown")),
    "Markdown that wants a gigabyte": lambda: wheel(
        metadata=described(
            "|a" * 2000 + "\n" + "|-" * 2000 + "\n" + ("|b" * 50 + "\n") * 3000, "text/markdown"
        )
    ),
    "text that is HTML": lambda: wheel(
        metadata=described("<script>alert(1)</script>" * 100, "text/plain")
    ),
    "fields that are HTML": lambda: wheel(
        metadata=saying(
            ("Summary", "<script>alert(1)</script>"),
            ("Author", "'\"><img src=x onerror=alert(1)>"),
            ("Keywords", "<script>alert(1)</script>,{{7*7}}"),
            ("Project-URL", '<script>alert, https://a.example/?"><script>alert(1)</script>'),
        )
    ),
    "a zip of zips of zips": lambda: wheel({"odd/data.zip": _bombs()}),
}
"""Sound wheels that nothing speaks against but what somebody else might make of them."""
