"""What of a text may come into a log: no secrets, no personal data, and of paths no queries.

Secrets are known by what they look like, so that they are found wherever they stand: the slug of a
draft in a mistyped address, or a token in the text of an exception.
"""

import re
from urllib.parse import quote, unquote_to_bytes

SHOWN = 4
"""So many characters of a secret are shown, to tell it from others."""

LONGEST_PATH = 1024

_RUN = re.compile(r"[A-Za-z0-9]{22,}")
_IN_DRAFT = re.compile(rf"(/+draft/+[A-Za-z0-9]{{{SHOWN}}})[A-Za-z0-9]+", re.IGNORECASE)
# Words written together, as the names of exceptions are; no random text looks like that.
_CAMEL_CASE = re.compile(r"(?:[A-Z][a-z]{2,}|[A-Z]{2,4}(?=[A-Z][a-z]))+")
_TOKEN = re.compile(r"\b(gr_[A-Za-z0-9]{8})[A-Za-z0-9]+")
_SIGNING = re.compile(r"\b(whsec_)[A-Za-z0-9+/=]+")
_CREDENTIALS = re.compile(r"\b(Basic|Bearer)\s+[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE)
_USER_OF_URL = re.compile(r"(\w://)[^\s/@\"'<>]*@")
_QUERY_OF_URL = re.compile(r"(\b\w+://[^\s?\"'<>]*\?)[^\s\"'<>]+")
_EMAIL = re.compile(r"[\w.+%-]+@((?:[\w-]+\.)+[A-Za-z]\w*)")
_UNQUOTED = "/!+*@:,;=~$&'()"
_PARAMETER = re.compile(r"[A-Za-z:_][A-Za-z0-9_.:-]{0,19}")


def short(secret: str) -> str:
    """The first characters of a secret, and a sign that there is more."""
    return f"{secret[:SHOWN]}…"


def text(line: str) -> str:
    """A text as it may be logged: what looks like a secret or an e-mail address is cut."""
    if "@" in line:
        line = _EMAIL.sub(r"…@\1", _USER_OF_URL.sub(r"\1…@", line))
    line = _TOKEN.sub(r"\1…", line) if "gr_" in line else line
    line = _SIGNING.sub(r"\1…", line) if "whsec_" in line else line
    line = _CREDENTIALS.sub(r"\1 …", line)
    line = _QUERY_OF_URL.sub(r"\1…", line) if "?" in line else line
    line = _IN_DRAFT.sub(r"\1…", line) if "draft" in line.lower() else line
    return _RUN.sub(_cut_random, line)


def target(raw: str) -> str:
    """The target of a request as it may be logged: secrets cut, values of the query taken out.

    Args:
        raw: as it was sent.
    """
    path, mark, query = raw.partition("?")
    if not path.startswith("/") and "://" in path:  # the absolute form, as proxies get it
        path = "/" + path.partition("://")[2].partition("/")[2]
    return _path(path) + (f"?{_names(query)}" if mark else "")


def _path(path: str) -> str:
    if "%" not in path and path.isascii() and path.isprintable():
        shown = text(path)
    else:
        parts = text(_decoded(path)).split("…")
        shown = "…".join(quote(part, safe=_UNQUOTED, encoding="latin-1") for part in parts)
    return shown if len(shown) <= LONGEST_PATH else f"{shown[:LONGEST_PATH]}…"


def _decoded(path: str) -> str:
    """What the path says in the end, however often it is quoted: a secret must not hide in it."""
    for _ in range(5):
        former, path = path, unquote_to_bytes(path.encode("latin-1", "replace")).decode("latin-1")
        if path == former:
            break
    return path


def _names(query: str) -> str:
    """The names of a query's parameters; what may be anything else is not shown."""
    shown = []
    for part in query.split("&")[:20]:
        name, sign, _ = part.partition("=")
        shown.append(f"{name}=…" if sign and _PARAMETER.fullmatch(name) else "…")
    return "&".join(shown)


def _cut_random(found: re.Match[str]) -> str:
    run = found[0]
    is_mixed = not (run.islower() or run.isupper() or run.isdigit())
    return short(run) if is_mixed and not _CAMEL_CASE.fullmatch(run) else run
