"""Sixty problems, each planted into a release that has none, and the code by which it is found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from greenroom.distributions.review import Code
from tests.artifacts import make_sdist, make_wheel
from tests.distributions.test_natives import (
    ELF_PPC64,
    ELF_X86_64,
    MACH_ARM64,
    PE_AMD64,
)

LINUX = "manylinux_2_17_x86_64"
KEY = b"-----BEGIN %s-----\n" + b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 4 + b"\n"

Files = Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Built:
    """Files of one version: what of a wheel and of a source distribution is not as usual.

    Attributes:
        tags: of the wheels; each has the same files, and an extension module for its own Python.
        wheel: further files of the wheels.
        sdist: further files of the source distribution; None where there is none.
        overrides: members of the wheels that are replaced after RECORD was made.
        metadata: further fields, for all files.
        odd: of the last wheel alone.
        sdist_fields: of the source distribution alone.
        without: sources that are not in the source distribution.
    """

    tags: tuple[str, ...] = ("py3-none-any",)
    wheel: Files = field(default_factory=dict)
    sdist: Files | None = field(default_factory=dict)
    overrides: Mapping[str, bytes | None] = field(default_factory=dict)
    metadata: tuple[tuple[str, str], ...] = ()
    odd: tuple[tuple[str, str], ...] = ()
    sdist_fields: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()

    def make(self, folder: Path, version: str) -> list[Path]:
        """The files of this version."""
        made = []
        for tag in self.tags:
            odd = self.odd if tag == self.tags[-1] else ()
            wheel = make_wheel(
                folder,
                "example",
                version,
                tag=tag,
                extra_files=extension(tag) | dict(self.wheel),
                overrides=self.overrides,
                metadata_extra=(*self.metadata, *odd),
            )
            made.append(wheel)
        if self.sdist is not None:
            sources = {
                path: content
                for path, content in self.wheel.items()
                if is_source(path) and path not in self.without
            }
            sdist = make_sdist(
                folder,
                "example",
                version,
                extra_files=sources | dict(self.sdist),
                metadata_extra=(*self.metadata, *self.sdist_fields),
            )
            made.append(sdist)
        return made


def is_source(path: str) -> bool:
    return path.endswith(".py") and path.startswith("example/")


def extension(tag: str) -> dict[str, bytes]:
    """An extension module as a wheel with this tag has it."""
    python, abi, platform = tag.split("-")
    if platform == "any":
        return {}
    if platform.startswith("win"):
        return {f"example/fast.{python}-{platform}.pyd": PE_AMD64}
    if platform.startswith("macosx"):
        return {f"example/fast.cpython-{python[2:]}-darwin.so": MACH_ARM64}
    name = "fast.abi3.so" if abi == "abi3" else f"fast.cpython-{abi[2:]}-x86_64-linux-gnu.so"
    return {f"example/{name}": ELF_X86_64}


def linux(*pythons: str) -> tuple[str, ...]:
    return tuple(f"{python}-{python}-{LINUX}" for python in pythons)


@dataclass(frozen=True, slots=True)
class Planted:
    """A problem.

    Attributes:
        name: what it is called in the table.
        code: by which it is found.
        now: the release that has it.
        before: the release before, which has none.
        damage: what is done to a file of the release once it was built.
        besides: what else above a note is found of it.
    """

    name: str
    code: Code
    now: Built
    before: Built | None = field(default_factory=Built)
    damage: Callable[[Path], None] | None = None
    besides: frozenset[Code] = frozenset()


def accidents() -> list[Planted]:
    """What should not ship."""
    secret = b'x = "%s"\n'
    placed = [
        ("a repository", ".git/config", b"x", Code.VERSION_CONTROL),
        ("the .git of a submodule", "example/.git", b"gitdir: x\n", Code.VERSION_CONTROL),
        ("Subversion", "example/.svn/entries", b"x", Code.VERSION_CONTROL),
        ("an environment file", ".env", b"TOKEN=x\n", Code.ENVIRONMENT_FILE),
        ("one of production", "example/.env.production", b"x", Code.ENVIRONMENT_FILE),
        ("one of direnv", "example/.envrc", b"x", Code.ENVIRONMENT_FILE),
        ("a key of RSA", "example/a.pem", KEY % b"RSA PRIVATE KEY", Code.PRIVATE_KEY),
        ("a key of SSH", "example/k", KEY % b"OPENSSH PRIVATE KEY", Code.PRIVATE_KEY),
        ("a key by its name", "example/id_ed25519", b"x", Code.PRIVATE_KEY),
        ("a store of keys", "example/release.p12", b"\0x", Code.PRIVATE_KEY),
        ("a key of AWS", "example/c.py", secret % (b"AKIA" + b"Q7" * 8), Code.CREDENTIAL),
        (
            "a secret of AWS",
            "example/c.ini",
            b"aws_secret_access_key = " + b"aB/7" * 10 + b"\n",
            Code.CREDENTIAL,
        ),
        ("a token of GitHub", "example/c.py", secret % (b"ghp_" + b"a1" * 18), Code.CREDENTIAL),
        ("a token of an index", "example/c", b"pypi-AgE" + b"Ic" * 40, Code.CREDENTIAL),
        ("a token of Slack", "example/c", b"xoxb-123456789-abcdefghijkl", Code.CREDENTIAL),
        ("a key of OpenAI", "example/c", b"sk-proj-" + b"aB3" * 12, Code.CREDENTIAL),
        (
            "a password in an address",
            "example/c.py",
            b"D = 'postgresql://admin:Tr0ub4dor3@db.internal.corp/x'\n",
            Code.CREDENTIAL,
        ),
        ("credentials of git", "example/.git-credentials", b"x", Code.CREDENTIAL),
        ("a netrc", "example/.netrc", b"machine x\n", Code.CREDENTIAL),
        ("bytecode", "example/__pycache__/a.cpython-312.pyc", b"x", Code.BYTECODE),
        ("bytecode elsewhere", "example/a.pyc", b"x", Code.BYTECODE),
        ("a folder of an editor", ".idea/workspace.xml", b"x", Code.DEVELOPMENT_FILES),
        ("what a Mac leaves", "example/.DS_Store", b"\0", Code.DEVELOPMENT_FILES),
        ("a virtual environment", "example/venv/pyvenv.cfg", b"x", Code.DEVELOPMENT_FILES),
        ("a copy of an editor", "example/a.py~", b"x", Code.DEVELOPMENT_FILES),
        ("the modules of node", "example/node_modules/a.js", b"x", Code.DEVELOPMENT_FILES),
        (
            "a path of a machine",
            "example/c.py",
            b"x = 1\nDATA = '/home/alice/work/data.csv'\n",
            Code.ABSOLUTE_PATH,
        ),
        ("one of Windows", "example/c.json", rb'{"a": "C:\\Users\\bob\\x"}', Code.ABSOLUTE_PATH),
        ("one in a URL", "example/c.json", b'{"url": "file:///Users/ada/x"}', Code.ABSOLUTE_PATH),
    ]
    return [
        Planted(name, code, Built(wheel={path: content}, sdist={}), None)
        for name, path, content, code in placed
    ]


def of_wheels() -> list[Planted]:
    """What is wrong with a wheel, or to be looked at."""
    other = "example/other.cpython-{}-x86_64-linux-gnu.so"
    no_source = frozenset({Code.NOT_IN_SDIST})
    found = [
        Planted("tests at the top", Code.TESTS_AT_TOP, Built(wheel={"tests/__init__.py": b""})),
        Planted(
            "without __init__",
            Code.TESTS_AT_TOP,
            Built(wheel={"tests/test_a.py": b"\n"}),
            besides=no_source,
        ),
        Planted(
            "docs at the top",
            Code.TESTS_AT_TOP,
            Built(wheel={"docs/conf.py": b"\n"}),
            besides=no_source,
        ),
        Planted(
            "setup.py at the top",
            Code.TESTS_AT_TOP,
            Built(wheel={"setup.py": b"\n"}),
            besides=no_source,
        ),
        Planted("a path file", Code.PTH_FILE, Built(wheel={"evil.pth": b"import os\n"})),
        Planted(
            "a path file in data",
            Code.PTH_FILE,
            Built(wheel={"example-2.0.data/purelib/evil.pth": b"x\n"}),
        ),
        Planted(
            "a hook",
            Code.STARTUP_MODULE,
            Built(wheel={"sitecustomize.py": b"\n"}),
            besides=no_source,
        ),
        Planted(
            "one of users",
            Code.STARTUP_MODULE,
            Built(wheel={"usercustomize.py": b"\n"}),
            besides=no_source,
        ),
        Planted(
            "machine code for all platforms",
            Code.NATIVE_IN_PURE,
            Built(wheel={"example/fast.so": ELF_X86_64}),
        ),
        Planted(
            "code of another machine",
            Code.WRONG_MACHINE,
            Built(linux("cp312"), {"example/libs/libx.so.1": ELF_PPC64}),
        ),
        Planted(
            "code of another system",
            Code.WRONG_MACHINE,
            Built(linux("cp312"), {"example/libx.so": MACH_ARM64}),
        ),
        Planted(
            "a module of another Python",
            Code.WRONG_PYTHON,
            Built(linux("cp312"), {other.format("311"): ELF_X86_64}),
        ),
        Planted(
            "a module of a Python without threads",
            Code.WRONG_PYTHON,
            Built((f"cp313-cp313t-{LINUX}",), {other.format("313"): ELF_X86_64}),
        ),
        Planted(
            "a member that RECORD does not list",
            Code.RECORD,
            Built(overrides={"example/late.txt": b"x"}),
        ),
        Planted(
            "a member that is not as RECORD has it",
            Code.RECORD,
            Built(overrides={"example/__init__.py": b"evil = True\n"}, sdist=None),
        ),
        Planted("no RECORD", Code.RECORD, Built(overrides={"{dist_info}/RECORD": None})),
        Planted("half a file", Code.UNREADABLE, Built(), damage=halve),
        Planted("a file of zeros", Code.UNREADABLE, Built(), damage=empty),
    ]
    return [replace(planted, before=None) for planted in found]


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(bytes(100))


def of_files_together() -> list[Planted]:
    """What files of a release say of each other."""
    sources = {"example/a.py": b"A = 1\n", "example/b.py": b"B = 1\n"}
    found = [
        Planted("no source", Code.NO_SDIST, Built(sdist=None)),
        Planted(
            "a wheel that depends on more",
            Code.METADATA_DISAGREES,
            Built(linux("cp311", "cp312", "cp313"), odd=(("Requires-Dist", "evil"),)),
        ),
        Planted(
            "a wheel for other Pythons",
            Code.METADATA_DISAGREES,
            Built(linux("cp311", "cp312", "cp313"), odd=(("Requires-Python", ">=3.9"),)),
        ),
        Planted(
            "a source that depends on more",
            Code.SDIST_DISAGREES,
            Built(sdist_fields=(("Requires-Dist", "evil"),)),
        ),
        Planted(
            "a source of another licence",
            Code.SDIST_DISAGREES,
            Built(sdist_fields=(("License", "MIT"),)),
        ),
        Planted(
            "a module that has no source",
            Code.NOT_IN_SDIST,
            Built(wheel=sources, without=("example/b.py",)),
        ),
        Planted(
            "a module with another source",
            Code.DIFFERS_FROM_SDIST,
            Built(wheel=sources, sdist={"example/b.py": b"B = 2\n"}),
        ),
        Planted(
            "a module that was left out",
            Code.NOT_IN_WHEEL,
            Built(wheel=sources, sdist={"example/c/d.py": b"C = 1\n"}),
        ),
    ]
    return [replace(planted, before=None) for planted in found]


def news() -> list[Planted]:
    """What has come since the release before."""
    entry = "{dist_info}/entry_points.txt"
    requires = (("Requires-Dist", "known"),)
    old = {"example/a.py": b"U = 'https://known.example/'\n"}
    return [
        Planted(
            "a wheel less",
            Code.MISSING_WHEEL,
            Built(linux("cp312")),
            Built(linux("cp311", "cp312")),
        ),
        Planted("no source any more", Code.MISSING_SDIST, Built(sdist=None)),
        Planted(
            "a command",
            Code.NEW_ENTRY_POINT,
            Built(wheel={entry: b"[console_scripts]\nexample = example:main\n"}),
        ),
        Planted(
            "a plugin",
            Code.NEW_ENTRY_POINT,
            Built(wheel={entry: b"[pytest11]\nexample = example.plugin\n"}),
        ),
        Planted(
            "a command that does something else",
            Code.NEW_ENTRY_POINT,
            Built(wheel={entry: b"[console_scripts]\nexample = example:other\n"}),
            Built(wheel={entry: b"[console_scripts]\nexample = example:main\n"}),
        ),
        Planted(
            "a script",
            Code.NEW_ENTRY_POINT,
            Built(wheel={"example-2.0.data/scripts/ls": b"#!python\n"}),
        ),
        Planted(
            "a dependency",
            Code.NEW_DEPENDENCY,
            Built(metadata=(*requires, ("Requires-Dist", "evil>=1; python_version > '3'"))),
            Built(metadata=requires),
        ),
        Planted(
            "machine code",
            Code.NEW_NATIVE,
            Built(linux("cp312"), {"example/more.cpython-312-x86_64-linux-gnu.so": ELF_X86_64}),
            Built(linux("cp312")),
        ),
        Planted(
            "a host",
            Code.NEW_ADDRESS,
            Built(wheel={"example/a.py": b"\nU = 'https://collect.evil.example/x?y=1'\n"}),
            Built(wheel=old),
        ),
        Planted(
            "an address in numbers",
            Code.NEW_ADDRESS,
            Built(wheel={"example/a.py": b"s.connect(('203.0.113.9', 4444))\n"}),
            Built(wheel=old),
        ),
        Planted(
            "a host without a scheme",
            Code.NEW_ADDRESS,
            Built(wheel={"example/a.py": b'c = HTTPSConnection("api.evil-host.com")\n'}),
            Built(wheel=old),
        ),
        Planted(
            "another address of a known host",
            Code.NEW_URL,
            Built(wheel={"example/a.py": b"U = 'https://known.example/evil'\n"}),
            Built(wheel=old),
        ),
    ]


PLANTED = [*accidents(), *of_wheels(), *of_files_together(), *news()]
