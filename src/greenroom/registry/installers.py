"""What installers say of themselves, in words that are safe to show.

pip and uv send JSON behind their names (``pip/26.0 {"python":"3.13.1",…}``), others the names and
versions of what they run on. Nothing of it is believed to be more than what a client says.
"""

import json
import re

LONGEST = 2000
"""What is longer is no installer's."""

_INSTALLERS = frozenset({"pip", "uv", "poetry", "pdm", "pipenv", "pixi"})
_AGENT = re.compile(r"([a-z]{2,12})/([0-9][0-9A-Za-z.+-]{0,29})(?: (.*))?", re.ASCII | re.DOTALL)
_NAMED = re.compile(r"\b(CPython|PyPy|GraalPy)/([0-9]+\.[0-9]+)", re.ASCII)
_SYSTEM = re.compile(r"\b(Linux|Darwin|Windows|FreeBSD)/", re.ASCII)
_VERSION = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})(?:[.a-z][0-9A-Za-z.+-]{0,20})?", re.ASCII)
_WORD = re.compile(r"[0-9A-Za-z_-]{1,20}", re.ASCII)
_TAGS = {"CPython": "cp", "PyPy": "pp", "GraalPy": "graalpy"}
_SYSTEMS = {"Darwin": "macOS"}


def described(user_agent: str) -> str | None:
    """The installer in words, ``pip 26.0 on Linux x86_64, cp313``; None where it is none."""
    found = _AGENT.fullmatch(user_agent) if len(user_agent) <= LONGEST else None
    if found is None or found[1] not in _INSTALLERS:
        return None
    rest = found[3] or ""
    system, python = _said(rest) if rest.startswith("{") else _named(rest)
    on = f" on {system}" if system else ""
    return f"{found[1]} {found[2]}{on}{', ' + python if python else ''}"


def _said(text: str) -> tuple[str, str]:
    """System and Python of what pip and uv send."""
    try:
        said: object = json.loads(text)
    except (ValueError, RecursionError):
        return "", ""
    system = _system(_word(said, "system", "name"))
    processor = _word(said, "cpu")
    implementation = _word(said, "implementation", "name")
    version = _inside(said, "python")
    return " ".join(filter(None, (system, processor if system else ""))), _tag(
        implementation, version if isinstance(version, str) else ""
    )


def _named(text: str) -> tuple[str, str]:
    system, python = _SYSTEM.search(text), _NAMED.search(text)
    return (
        _system(system[1]) if system else "",
        _tag(python[1], python[2]) if python else "",
    )


def _system(name: str) -> str:
    return _SYSTEMS.get(name, name)


def _tag(implementation: str, version: str) -> str:
    """The interpreter as tags of wheels name it."""
    found = _VERSION.fullmatch(version)
    return f"{_TAGS.get(implementation, 'py')}{found[1]}{found[2]}" if found else ""


def _word(said: object, *names: str) -> str:
    word = _inside(said, *names)
    return word if isinstance(word, str) and _WORD.fullmatch(word) else ""


def _inside(said: object, *names: str) -> object:
    for name in names:
        said = said.get(name) if isinstance(said, dict) else None
    return said
