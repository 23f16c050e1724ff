"""Network addresses and paths of machines that the text of a member names.

Nothing is parsed: what looks like an address is one, so that what hides in a comment or in a text
of several lines is found as well. Members come in pieces, and are looked through line by line.
"""

import re
from collections.abc import Callable
from pathlib import PurePosixPath

LONGEST_SCANNED = 4 * 1024 * 1024
"""Bytes at the beginning of a member that are looked through."""

MOST_ADDRESSES = 2_000
"""Of one file."""

_LONGEST_LINE = 64 * 1024
_LONGEST_ADDRESS = 200

_HOST = rb"(?:\[[0-9a-fA-F:.]{3,45}\]|[A-Za-z0-9](?:[A-Za-z0-9_-]*\.)*[A-Za-z0-9_-]+)"
# What can be searched for quickly comes first: the scheme before it is looked at afterwards.
_URL = re.compile(
    rb"://(?:[^\s/@\"'<>]{1,100}@)?(?P<host>"
    + _HOST
    + rb")(?P<port>:\d{1,5})?(?P<path>/[^\s\"'`<>()\[\]{}\\|^]*)?"
)
_SCHEME = re.compile(
    rb"(?:https?|wss?|ftps?|sftp|ssh|git|tcp|udp|ldaps?|smtps?|mqtts?|rediss?|amqps?|mongodb|"
    rb"postgres(?:ql)?|mysql|socks[45]h?|telnet|irc|gopher|dns|s3|gs|rtmp)(?:\+[a-z]+)?$",
    re.IGNORECASE,
)
_LONGEST_SCHEME = 24
# A number of four parts may be a version as well: it is an address where something says so.
_IP = re.compile(
    rb"(?<![\d.])(?P<host>\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})(?![\d.])(?P<port>:\d{1,5})?"
)
# Names of modules look like hosts, too: these endings are of no module.
_QUOTED_HOST = re.compile(
    rb"[\"'](?P<host>(?:[a-z0-9-]{1,63}\.)+(?:com|org|net|ru|cn|xyz|biz|onion|club|top|example|"
    rb"invalid))(?P<port>:\d{1,5})?(?P<path>/[^\s\"']*)?[\"']",
    re.IGNORECASE,
)
_OF_NOBODY = re.compile(
    r"localhost|127(?:\.\d+){3}|0\.0\.0\.0|255\.255\.255\.255|\[::1?\]|(?:www\.)?w3\.org|"
    r"(?:www\.)?example\.(?:com|org|net)"
)

Place = tuple[str, int]
"""A member and a line in it."""


class Addresses:
    """Collects the network addresses in the members of one archive.

    Attributes:
        hosts: hosts, with the port where one is given, and where each is named first.
        urls: hosts with paths, likewise; queries are left out.
        is_cut: whether there were more than are kept.
    """

    def __init__(self) -> None:
        self.hosts: dict[str, Place] = {}
        self.urls: dict[str, Place] = {}
        self.is_cut = False

    def watch(self, path: str) -> Callable[[bytes], None] | None:
        """What is given the pieces of a member; None for what names addresses anyway."""
        name = PurePosixPath(path).name
        if name in _OF_METADATA and (".dist-info/" in path or path.count("/") <= 2):
            return None

        def look(lines: bytes, first: int) -> None:
            matches = [*filter(_is_url, _URL.finditer(lines))]
            matches += _QUOTED_HOST.finditer(lines)
            matches += filter(_is_address, _IP.finditer(lines))
            for found in matches:
                host, url = _named(found)
                if host and not (host in self.hosts and (not url or url in self.urls)):
                    place = (path, first + lines.count(b"\n", 0, found.start()))
                    self._note(self.hosts, host, place)
                    self._note(self.urls, url, place)

        return Lines(look).see

    def _note(self, known: dict[str, Place], address: str, place: Place) -> None:
        if not address or address in known:
            return
        if len(known) >= MOST_ADDRESSES:
            self.is_cut = True
        else:
            known[address] = place


def _named(found: re.Match[bytes]) -> tuple[str, str]:
    """The host with its port, and that with the path; empty where there is none of the world."""
    groups = found.groupdict()
    host = groups["host"].decode().lower()
    if _OF_NOBODY.fullmatch(host) or ("." not in host and ":" not in host):
        return "", ""
    host += (groups["port"] or b"").decode()
    rest = (groups.get("path") or b"").decode("utf-8", "replace")
    rest = rest.partition("?")[0].partition("#")[0].rstrip("/.,;:!)*")
    return host, (host + rest)[:_LONGEST_ADDRESS] if rest else ""


def _is_url(found: re.Match[bytes]) -> bool:
    start = found.start()
    return _SCHEME.search(found.string[max(start - _LONGEST_SCHEME, 0) : start]) is not None


def _is_address(found: re.Match[bytes]) -> bool:
    start, end = found.span()
    before, after = found.string[max(start - 1, 0) : start], found.string[end : end + 1]
    is_said = found["port"] or (before in _BEFORE and after in _AFTER)
    return bool(is_said) and all(int(part) < 256 for part in found["host"].split(b"."))


_BEFORE = (b'"', b"'", b"@", b"/")
_AFTER = (b'"', b"'", b"/")
_OF_METADATA = frozenset({"METADATA", "PKG-INFO", "RECORD"})


class Lines:
    """Hands the lines of a text on that comes in pieces; of what is no text, nothing more.

    Args:
        look: is given some lines, and the number of the first. A very long one comes in parts.
    """

    def __init__(self, look: Callable[[bytes, int], None]) -> None:
        self._look = look
        self._first = 1
        self._tail = b""
        self._left = LONGEST_SCANNED

    def see(self, piece: bytes) -> None:
        """Take the next piece; an empty one is the end."""
        if self._left <= 0:
            return
        if b"\0" in piece:
            self._left = 0
            return
        self._left -= len(piece)
        lines = self._tail + piece
        end = len(lines) if not piece or self._left <= 0 else _last_end(lines)
        if end:
            self._look(lines[:end], self._first)
            self._first += lines.count(b"\n", 0, end)
        self._tail = lines[end:]


def _last_end(lines: bytes) -> int:
    """Where nothing is cut in two that is looked for; 0 where more has to come first."""
    end = lines.rfind(b"\n") + 1
    if end or len(lines) <= _LONGEST_LINE:
        return end
    return max(lines.rfind(each) for each in (b'"', b"'", b" ", b",", b";")) + 1 or len(lines)


# --- paths of machines ----------------------------------------------------------------------------

_PATH = re.compile(
    rb"(?<![\w.$}~-])(?:file://)?(?:/home/|/Users/)(?P<unix>[A-Za-z][\w.-]*)/[\w.-]|"
    rb"\b[A-Za-z]:(?:\\\\?|/)Users(?:\\\\?|/)(?P<windows>[\w.-]+)(?:\\|/)"
)
_NO_ONE = re.compile(
    r"(?:your|my|the|some)?[-_]?(?:user|username|name|home|login|account)\d*|you|me|foo|bar|xxx+|"
    r"runner|runneradmin|jovyan|vsts|travis|circleci|app|docker|ubuntu|vagrant|pi|public|shared|"
    r"default|appveyor|buildbot|conda|build|test|tests|testuser|example",
    re.IGNORECASE,
)
_NOT_LOOKED_INTO = re.compile(
    r"(?:^|/)(?:tests?|testing|docs?|examples|\.github|\.circleci)/|"
    r"\.(?:md|rst|html?|ipynb|svg|po|pot|csv|lock)$|(?<!SOURCES)\.txt$|"
    r"/(?:METADATA|PKG-INFO|README|CHANGES|CHANGELOG|NEWS|AUTHORS|LICENSE)$"
)


def watch_paths(path: str, found: Callable[[str], None]) -> Callable[[bytes], None] | None:
    """What is given the pieces of a member, to find paths of somebody's machine in it.

    Args:
        path: the member's. Prose and tests have paths for examples, and are not looked into.
        found: told of the first one, with the number of its line.
    """
    if _NOT_LOOKED_INTO.search(path):
        return None
    told = False

    def look(lines: bytes, first: int) -> None:
        nonlocal told
        if told or not (b"/home/" in lines or b"Users" in lines):
            return
        for match in _PATH.finditer(lines):
            who = (match["unix"] or match["windows"]).decode()
            if not _NO_ONE.fullmatch(who):
                told = True
                line = first + lines.count(b"\n", 0, match.start())
                end = max(match.end("unix"), match.end("windows")) - match.start()
                found(f"line {line}: {match[0][:end].decode(errors='replace')}…")
                return

    return Lines(look).see
