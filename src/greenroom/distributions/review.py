"""What a reviewer should know of one distribution before it becomes public, as findings.

A finding is a fact with a code, not an accusation: that somebody should look, or that something
does not hold. What refuses a file is in ``inspect.py``; nothing here does.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum, StrEnum
from pathlib import Path

from msgspec import Struct, field

from greenroom.distributions.comparison import place_of
from greenroom.distributions.contents import Kind, Member, Watch, survey
from greenroom.distributions.filenames import DistributionName, WheelName
from greenroom.distributions.natives import Native, expected_by, fits

MOST_OF_A_CODE = 20
"""Findings of one code that are told; that there are more is told, too."""

LONGEST_SCANNED = 4 * 1024 * 1024
"""Bytes at the beginning of a member that are searched for credentials."""


class Severity(IntEnum):
    """How much a finding matters; the greater, the more."""

    NOTE = 1  # worth knowing
    LOOK = 2  # a person should look at it
    WARNING = 3  # most likely a mistake
    PROBLEM = 4  # it will not work, or is not what its name says


class Code(StrEnum):
    """What was found. A code never changes its meaning: projects silence findings by it."""

    VERSION_CONTROL = "version-control"
    ENVIRONMENT_FILE = "environment-file"
    PRIVATE_KEY = "private-key"
    CREDENTIAL = "credential"
    BYTECODE = "bytecode"
    DEVELOPMENT_FILES = "development-files"
    TESTS_AT_TOP = "tests-at-top"
    PTH_FILE = "pth-file"
    NATIVE_IN_PURE = "native-in-pure"
    PROGRAM = "program"
    NO_NATIVE = "no-native"
    WRONG_MACHINE = "wrong-machine"
    WRONG_PYTHON = "wrong-python"
    UNREADABLE = "unreadable"
    RECORD = "record"
    ABSOLUTE_PATH = "absolute-path"
    STARTUP_MODULE = "startup-module"
    # What files say of each other.
    NO_SDIST = "no-sdist"
    METADATA_DISAGREES = "metadata-disagrees"
    SDIST_DISAGREES = "sdist-disagrees"
    NOT_IN_SDIST = "not-in-sdist"
    DIFFERS_FROM_SDIST = "differs-from-sdist"
    NOT_IN_WHEEL = "not-in-wheel"
    # What has come since the release before.
    MISSING_WHEEL = "missing-wheel"
    MISSING_SDIST = "missing-sdist"
    NEW_ENTRY_POINT = "new-entry-point"
    NEW_DEPENDENCY = "new-dependency"
    NEW_NATIVE = "new-native-code"
    NEW_ADDRESS = "new-address"
    NEW_URL = "new-url"
    # What other indexes have.
    EXISTS_UPSTREAM = "exists-upstream"


SEVERITY = {
    Code.VERSION_CONTROL: Severity.WARNING,
    Code.ENVIRONMENT_FILE: Severity.WARNING,
    Code.PRIVATE_KEY: Severity.WARNING,
    Code.CREDENTIAL: Severity.WARNING,
    Code.BYTECODE: Severity.WARNING,
    Code.DEVELOPMENT_FILES: Severity.WARNING,
    Code.TESTS_AT_TOP: Severity.WARNING,
    Code.PTH_FILE: Severity.LOOK,
    Code.NATIVE_IN_PURE: Severity.WARNING,
    Code.PROGRAM: Severity.NOTE,
    Code.NO_NATIVE: Severity.NOTE,
    Code.WRONG_MACHINE: Severity.PROBLEM,
    Code.WRONG_PYTHON: Severity.PROBLEM,
    Code.UNREADABLE: Severity.PROBLEM,
    Code.RECORD: Severity.PROBLEM,
    Code.ABSOLUTE_PATH: Severity.WARNING,
    Code.STARTUP_MODULE: Severity.LOOK,
    Code.NO_SDIST: Severity.NOTE,
    Code.METADATA_DISAGREES: Severity.WARNING,
    Code.SDIST_DISAGREES: Severity.WARNING,
    Code.NOT_IN_SDIST: Severity.LOOK,
    Code.DIFFERS_FROM_SDIST: Severity.LOOK,
    Code.NOT_IN_WHEEL: Severity.LOOK,
    Code.MISSING_WHEEL: Severity.LOOK,
    Code.MISSING_SDIST: Severity.LOOK,
    Code.NEW_ENTRY_POINT: Severity.LOOK,
    Code.NEW_DEPENDENCY: Severity.LOOK,
    Code.NEW_NATIVE: Severity.LOOK,
    Code.NEW_ADDRESS: Severity.LOOK,
    Code.NEW_URL: Severity.NOTE,
    Code.EXISTS_UPSTREAM: Severity.LOOK,
}

ADVICE = {
    Code.VERSION_CONTROL: "Leave the version control's own files out: they hold your history.",
    Code.ENVIRONMENT_FILE: "Leave it out, and change whatever secret is in it.",
    Code.PRIVATE_KEY: "Leave it out, and replace the key, unless it is one for tests alone.",
    Code.CREDENTIAL: "Revoke it: whoever has the file has it. Then leave it out.",
    Code.BYTECODE: "Leave it out: it is made where the package is installed.",
    Code.DEVELOPMENT_FILES: "Leave them out: they are of your machine and of no use to others.",
    Code.TESTS_AT_TOP: "Put the tests into the package, or leave them out of the wheel: every "
    "project that installs a module of this name overwrites the others'.",
    Code.PTH_FILE: "Python runs lines of it that begin with import at every start. Look whether "
    "that is wanted.",
    Code.PROGRAM: "It runs on one kind of machine only, though the wheel is for all.",
    Code.NATIVE_IN_PURE: "Give the wheel the tag of the platform that it is for.",
    Code.NO_NATIVE: "A wheel with nothing compiled can be for any platform.",
    Code.WRONG_MACHINE: "Build it on the platform of its tag, or give it the tag of its platform.",
    Code.WRONG_PYTHON: "Build it with the version of Python of its tag.",
    Code.UNREADABLE: "Build it anew and upload it again: nobody can install it.",
    Code.RECORD: "Build the wheel anew, with a current tool: RECORD must list all that is in it, "
    "with digests and sizes.",
    Code.ABSOLUTE_PATH: "It exists on the machine that it was built on alone: make it relative, or "
    "leave it out.",
    Code.STARTUP_MODULE: "Python imports a module of this name at every start. Look whether that "
    "is wanted.",
    Code.NO_SDIST: "Upload a source distribution too, so that others can build it and see what it "
    "is made of.",
    Code.METADATA_DISAGREES: "Build all files of the release from one source: which of them an "
    "installer believes depends on the platform.",
    Code.SDIST_DISAGREES: "Build the wheels from the source distribution, or let it name the field "
    "in Dynamic (PEP 643).",
    Code.NOT_IN_SDIST: "Look whether it is made while the wheel is built. If not, nobody can see "
    "where it comes from.",
    Code.DIFFERS_FROM_SDIST: "Look whether it is changed while the wheel is built. If not, the two "
    "were made of different sources.",
    Code.NOT_IN_WHEEL: "Look whether it was left out on purpose. Installing from the source may "
    "give more than the wheel does.",
    Code.MISSING_WHEEL: "Upload the wheel, unless it was dropped on purpose: there, pip will build "
    "from the source, or take an older release.",
    Code.MISSING_SDIST: "Upload the source distribution, unless it was dropped on purpose.",
    Code.NEW_ENTRY_POINT: "Look whether it is wanted: it puts a command on the path of users, or "
    "is loaded by another program.",
    Code.NEW_DEPENDENCY: "Look whether it is wanted, and whether the name is spelled right: it is "
    "installed with the project.",
    Code.NEW_NATIVE: "Look where it comes from: nobody can read it.",
    Code.NEW_ADDRESS: "Look what it is for: the release before did not name this host.",
    Code.NEW_URL: "The host was named in the release before; the address was not.",
    Code.EXISTS_UPSTREAM: "Look whether it is meant to take the place of that project: whoever "
    "installs the name from this index gets what is published here, and nothing else any more.",
}


class Finding(Struct, frozen=True):
    """Something a reviewer should know.

    Attributes:
        code: what it is.
        path: the member that it is about; empty where it is about the whole file.
        detail: what was seen, in a few words, which repeat no secret.
    """

    code: Code
    path: str = ""
    detail: str = ""

    @property
    def severity(self) -> Severity:
        """How much it matters."""
        return SEVERITY[self.code]

    @property
    def advice(self) -> str:
        """What to do about it."""
        return ADVICE[self.code]


class Reviewed(Struct, frozen=True):
    """What one pass over an archive has found.

    Attributes:
        members: what is in it.
        findings: at most :data:`MOST_OF_A_CODE` of a code, in the order of the archive.
        left_out: how many more there were, by code.
    """

    members: tuple[Member, ...]
    findings: tuple[Finding, ...]
    left_out: dict[Code, int] = field(default_factory=dict)


def review(
    path: Path,
    named: DistributionName,
    watches: Sequence[Watch] = (),
    further: Callable[[tuple[Member, ...]], Iterable[Finding]] = lambda members: (),
) -> Reviewed:
    """Look through a distribution once.

    Args:
        path: where its bytes are.
        named: what its file name says.
        watches: what else sees the content of its members.
        further: what else is found of its members, once all were seen.

    Raises:
        InvalidDistribution: the archive cannot be read.
    """
    findings: list[Finding] = []

    def watch(name: str) -> Callable[[bytes], None]:
        looks = [look for each in watches if (look := each(name)) is not None]
        looks.append(_Scan(name, findings.append).look)

        def see(piece: bytes) -> None:
            for look in looks:
                look(piece)

        return see

    members = survey(path, named.filename, watch)
    is_sdist = not isinstance(named, WheelName)
    for member in members:
        findings += _of_place(member, place_of(member.path, is_sdist=is_sdist), is_sdist=is_sdist)
    if isinstance(named, WheelName):
        findings += _of_tests(named, members)
        findings += _of_native_code(named, members)
    return Reviewed(members, *bounded([*findings, *further(members)]))


def bounded(findings: Iterable[Finding]) -> tuple[tuple[Finding, ...], dict[Code, int]]:
    """Each finding once, at most :data:`MOST_OF_A_CODE` of a code, and how many more there are."""
    kept: list[Finding] = []
    counts: dict[Code, int] = {}
    for finding in dict.fromkeys(findings):
        counts[finding.code] = counts.get(finding.code, 0) + 1
        if counts[finding.code] <= MOST_OF_A_CODE:
            kept.append(finding)
    left_out = {
        code: count - MOST_OF_A_CODE for code, count in counts.items() if count > MOST_OF_A_CODE
    }
    return tuple(kept), left_out


# --- what is in places where it should not be -----------------------------------------------------

_VERSION_CONTROL = frozenset({".git", ".hg", ".svn", ".bzr", "CVS", "_darcs"})
_DEVELOPMENT_FOLDERS = frozenset(
    {
        ".tox",
        ".nox",
        ".venv",
        ".idea",
        ".vscode",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".eggs",
        ".ipynb_checkpoints",
        "node_modules",
        "htmlcov",
        "__MACOSX",
    }
)
_DEVELOPMENT_FILES = frozenset(
    {
        ".DS_Store",
        "Thumbs.db",
        "desktop.ini",
        ".coverage",
        ".pypirc",
        "pyvenv.cfg",
        ".bash_history",
        ".python_history",
    }
)
_ENVIRONMENT_FILE = re.compile(
    r"\.env(?:rc|\.(?:local|production|prod|staging|development|dev|test))?"
)
_KEY_FILE = re.compile(r"id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|.+\.(?:p12|pfx|jks|keystore)")
_CREDENTIALS_FILES = frozenset({".netrc", "_netrc", ".git-credentials", ".htpasswd", ".pgpass"})
_BACKUP = re.compile(r".+(?:~|\.swp|\.swo|\.orig|\.rej)")
_PTH = re.compile(r"(?:\*\.data/(?:purelib|platlib)/)?[^/]+\.pth")
# Where a build back end takes what it puts at the top of a wheel. Deeper ones are data, mostly.
_PTH_OF_SDIST = re.compile(r"(?:src/)?[^/]+\.pth")
_STARTUP = re.compile(r"(?:\*\.data/(?:purelib|platlib)/)?(?:site|user)customize(?:\.py|/.+)")
_TESTS_AT_TOP = re.compile(
    r"(?:\*\.data/(?:purelib|platlib)/)?"
    r"(?:(?P<folder>tests?|testing|examples?|docs?|benchmarks?)/.*|(?P<module>conftest|setup))\.py"
)
_IN_TESTS = re.compile(r"(?:^|/)(?:tests?|testing)/")


def _of_place(member: Member, place: str, *, is_sdist: bool) -> Iterator[Finding]:
    folders = place.split("/")
    name = folders.pop()
    if _VERSION_CONTROL & {*folders} or name == ".git":
        yield Finding(Code.VERSION_CONTROL, member.path)
    elif _DEVELOPMENT_FOLDERS & {*folders} or name in _DEVELOPMENT_FILES or _BACKUP.fullmatch(name):
        yield Finding(Code.DEVELOPMENT_FILES, member.path)
    elif _ENVIRONMENT_FILE.fullmatch(name):
        yield Finding(Code.ENVIRONMENT_FILE, member.path)
    elif name in _CREDENTIALS_FILES:
        yield Finding(Code.CREDENTIAL, member.path, f"a file called {name}")
    elif _KEY_FILE.fullmatch(name) and not _IN_TESTS.search(place):
        yield Finding(Code.PRIVATE_KEY, member.path, "by its name")
    elif name.endswith((".pyc", ".pyo")) or "__pycache__" in folders:
        yield Finding(Code.BYTECODE, member.path)
    elif (_PTH_OF_SDIST if is_sdist else _PTH).fullmatch(place):
        yield Finding(Code.PTH_FILE, member.path)
    elif not is_sdist and _STARTUP.fullmatch(place):
        yield Finding(Code.STARTUP_MODULE, member.path)


def _of_tests(named: WheelName, members: Sequence[Member]) -> Iterator[Finding]:
    """Packages and modules at the top of a wheel whose names every project could have."""
    places = {place_of(member.path, is_sdist=False): member for member in members}
    tops = {place.partition("/")[0] for place in places if not place.startswith("*")}
    told: set[str] = set()
    for place, member in places.items():
        found = _TESTS_AT_TOP.fullmatch(place)
        name = (found["folder"] or found["module"]) if found is not None else None
        if name is not None and name not in told | {named.name} and len(tops) > 1:
            told.add(name)
            yield Finding(Code.TESTS_AT_TOP, member.path)


# --- credentials ----------------------------------------------------------------------------------

_LONGEST_CREDENTIAL = 256
_PRIVATE_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----\s+(?:[A-Za-z0-9+/=]{20}|\w+: )"
)


class _Credential(Struct, frozen=True):
    """How something looks that only its owner should have.

    Attributes:
        what: what it is called.
        marks: what all of them have one of, which is quickly searched for.
        pattern: the whole of it.
    """

    what: str
    marks: tuple[bytes, ...]
    pattern: re.Pattern[bytes]


_CREDENTIALS = (
    _Credential("a key of AWS", (b"AKIA", b"ASIA"), re.compile(rb"\bA[KS]IA[0-9A-Z]{16}\b")),
    _Credential(
        "a token of GitHub",
        (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
        re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{82})\b"),
    ),
    _Credential("a token of GitLab", (b"glpat-",), re.compile(rb"\bglpat-[A-Za-z0-9_-]{20}")),
    _Credential(
        "a token of a package index",
        (b"pypi-AgE", b"gr_"),
        re.compile(rb"\b(?:pypi-AgE[A-Za-z0-9_-]{60,}|gr_[A-Za-z0-9]{48,}\b)"),
    ),
    _Credential(
        "a token of Slack", (b"xox",), re.compile(rb"\bxox[abprs]-[0-9]{6,}-[A-Za-z0-9-]{10,}")
    ),
    _Credential("a key of Google", (b"AIza",), re.compile(rb"\bAIza[0-9A-Za-z_-]{35}\b")),
    _Credential("a key of Stripe", (b"k_live_",), re.compile(rb"\b[rs]k_live_[0-9A-Za-z]{24,}\b")),
    _Credential("a token of npm", (b"npm_",), re.compile(rb"\bnpm_[A-Za-z0-9]{36}\b")),
    _Credential(
        "a key of OpenAI or Anthropic",
        (b"sk-",),
        re.compile(rb"\bsk-(?:(?:proj|ant|svcacct)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{48}\b)"),
    ),
    _Credential("a token of Hugging Face", (b"hf_",), re.compile(rb"\bhf_[A-Za-z]{34}\b")),
    _Credential("a key of SendGrid", (b"SG.",), re.compile(rb"\bSG\.[\w-]{22}\.[\w-]{43}")),
    _Credential("a token of DigitalOcean", (b"do",), re.compile(rb"\bdo[opr]_v1_[0-9a-f]{64}\b")),
    _Credential("a token of Docker", (b"dckr_pat_",), re.compile(rb"\bdckr_pat_[A-Za-z0-9_-]{27}")),
    _Credential(
        "a key of Azure", (b"AccountKey=",), re.compile(rb"\bAccountKey=[A-Za-z0-9+/]{80,}==")
    ),
    _Credential(
        "a secret key of AWS",
        (b"aws_secret_access_key", b"AWS_SECRET_ACCESS_KEY"),
        re.compile(rb"(?i)aws_secret_access_key[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+]{40}(?![\w/+])"),
    ),
    _Credential(
        "the address of a room of Slack or Discord, with its key",
        (b"hooks.slack.com/", b"/api/webhooks/"),
        re.compile(
            rb"hooks\.slack\.com/services/T\w{8,}/B\w{8,}/\w{20,}|"
            rb"discord(?:app)?\.com/api/webhooks/\d{15,}/[\w-]{40,}"
        ),
    ),
    _Credential(
        "a password in an address",
        (b"@",),
        re.compile(
            rb"\b[a-z][a-z0-9+]{2,12}://[\w.%-]{1,64}:(?!\w*(?:pass|secret|token)\w*@)"
            rb"[\w!.%*^-]{8,64}@(?!localhost|example\.|[\w.-]*\.example\b|127\.)[a-z0-9]"
        ),
    ),
)


class _Scan:
    """Looks for credentials in the content of a text that comes in pieces."""

    def __init__(self, path: str, found: Callable[[Finding], None]) -> None:
        self._path = path
        self._found = found
        self._tail = b""
        self._left = LONGEST_SCANNED

    def look(self, piece: bytes) -> None:
        """Look through the next piece, and what is at the border to the one before."""
        if self._left <= 0:
            return
        if b"\0" in piece:  # no text
            self._left = 0
            return
        self._left -= len(piece)
        text = self._tail + piece
        if b"PRIVATE KEY" in text and _PRIVATE_KEY.search(text):
            self._found(Finding(Code.PRIVATE_KEY, self._path))
        for kind in _CREDENTIALS:
            if any(mark in text for mark in kind.marks) and kind.pattern.search(text):
                self._found(Finding(Code.CREDENTIAL, self._path, kind.what))
        self._tail = text[-_LONGEST_CREDENTIAL:]


# --- machine code ---------------------------------------------------------------------------------

_EXTENSION = re.compile(r"[^/]+?\.(?P<tag>cpython-\d+[a-z]*|cp\d+|pypy\d+|abi3)?[^/]*\.(?:so|pyd)")
_LIBRARY = re.compile(r".+\.(?:so(?:\.\d+)*|pyd|dll|dylib)")
_CPYTHON = re.compile(r"(?:cpython-|cp)(?P<version>\d+)(?P<flags>[a-z]*)")


def _of_native_code(named: WheelName, members: Sequence[Member]) -> Iterator[Finding]:
    expected = expected_by(named.platform_tag)
    native = [(member, member.native) for member in members if member.native is not None]
    is_pure = named.platform_tag == "any"
    for member, code in native:
        if is_pure:
            is_library = _LIBRARY.fullmatch(member.path) is not None
            kind = Code.NATIVE_IN_PURE if is_library else Code.PROGRAM
            yield Finding(kind, member.path, _described(code))
        elif expected and not fits(code, expected):
            yield Finding(
                Code.WRONG_MACHINE, member.path, f"{_described(code)} in {named.platform_tag}"
            )
        elif (tag := _wrong_python(named, member.path)) is not None:
            yield Finding(Code.WRONG_PYTHON, member.path, f"{tag} in {named.python_tag}")
    if not native and not is_pure:
        yield Finding(Code.NO_NATIVE, detail=named.platform_tag)


def _described(code: Native) -> str:
    return f"{code.format} for {', '.join(sorted(code.machines))}"


def _wrong_python(named: WheelName, path: str) -> str | None:
    """The tag of an extension module that no Python of the wheel's tag imports."""
    module = _EXTENSION.fullmatch(path.rpartition("/")[2])
    built_for = _CPYTHON.fullmatch(module["tag"] or "") if module is not None else None
    if built_for is None:
        return None
    tag = f"cp{built_for['version']}"
    pythons = named.python_tag.split(".")
    if any(python.startswith(("py", "pp")) for python in pythons):
        return None
    abis = {abi for abi in named.abi_tag.split(".") if abi.startswith("cp")}
    with_threads = f"{tag}t" if built_for["flags"] == "t" else tag
    # Modules of Windows say nothing of free threading in their names before 3.14.
    if path.endswith(".so") and abis and tag in pythons and not {with_threads, f"{tag}m"} & abis:
        return with_threads
    return None if tag in pythons else tag


def is_text(member: Member) -> bool:
    """Whether a member can be shown as lines."""
    return member.kind is Kind.TEXT
