"""Where the settings come from: environment variables, files with one secret each, a TOML file.

What is set in several places counts as it is in the environment. This module knows names and
places; what a value has to look like is in ``greenroom.settings``.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from msgspec import Struct

PREFIX = "GREENROOM_"
CONFIG = PREFIX + "CONFIG"
"""The variable that names the TOML file."""

ENVIRONMENT = "environment"
"""The source of what an environment variable says."""

_FILE = "_FILE"
_LARGEST_FILE = 2**20


class BadSettings(Exception):
    """A setting does not parse. The text is one sentence a person can act on."""


class Given(Struct, frozen=True):
    """What one place says of a setting.

    Attributes:
        value: text, or a whole number or a list of those from a TOML file; not checked yet.
        name: what the person wrote it under, for sentences about it.
        source: ``environment``, or the path of a file.
    """

    value: object
    name: str
    source: str


def is_of_secret_file(given: Given) -> bool:
    """Whether the value is all that a file of its own says, which makes it a secret."""
    return given.name.partition(" ")[0].upper().endswith(_FILE)


def variable(field: str) -> str:
    """The environment variable of a setting, such as ``GREENROOM_POLICY`` for ``policy``."""
    return PREFIX + field.upper()


def given(fields: Collection[str], environ: Mapping[str, str]) -> dict[str, Given]:
    """What is set, by field; empty text counts as not set.

    Raises:
        BadSettings: a file cannot be read, is no TOML, or a setting is given twice in one place.
    """
    found = _from_environment(fields, environ)
    for field, value in _from_config(fields, environ).items():
        found.setdefault(field, value)
    return found


def unknown_names(fields: Collection[str], environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Names that look like settings and are none, each with its place in a sentence.

    Returns:
        The name as it would be in lower case without prefix, and as the person wrote it.

    Raises:
        BadSettings: the TOML file cannot be read.
    """
    known = {variable(field) for field in fields}
    known |= {name + _FILE for name in known} | {CONFIG}
    unknown = [
        (name[len(PREFIX) :].lower(), name)
        for name in sorted(environ)
        if name.upper().startswith(PREFIX) and name not in known
    ]
    path = environ.get(CONFIG)
    if path:
        allowed = {field + suffix for field in fields for suffix in ("", _FILE.lower())}
        unknown += [
            (name.lower(), f"{name} in {path}") for name in _config(path) if name not in allowed
        ]
    return unknown


def _from_environment(fields: Collection[str], environ: Mapping[str, str]) -> dict[str, Given]:
    found = {}
    for field in fields:
        name = variable(field)
        text, path = environ.get(name), environ.get(name + _FILE)
        if text and path:
            raise BadSettings(f"{name} and {name}{_FILE} are both set: leave one of them.")
        if text:
            found[field] = Given(text, name, ENVIRONMENT)
        elif path:
            found[field] = Given(_read_secret(path, name + _FILE), name + _FILE, path)
    return found


def _from_config(fields: Collection[str], environ: Mapping[str, str]) -> dict[str, Given]:
    path = environ.get(CONFIG)
    if not path:
        return {}
    values = _config(path)
    found = {}
    for field in fields:
        value, secret = values.get(field), values.get(field + _FILE.lower())
        if value and secret:
            raise BadSettings(
                f"{field} and {field}{_FILE.lower()} are both set in {path}: leave one of them."
            )
        if secret:
            name = f"{field}{_FILE.lower()} in {path}"
            found[field] = Given(_read_secret(str(secret), name), name, str(secret))
        elif value not in (None, "", []):
            found[field] = Given(value, f"{field} in {path}", path)
    return found


def _config(path: str) -> dict[str, object]:
    import tomllib  # seldom there is such a file

    try:
        return tomllib.loads(_read(path))
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(
            f"{CONFIG} is {path}, which cannot be read ({_reason(error)}): it accepts a TOML file."
        ) from None
    except tomllib.TOMLDecodeError as error:
        # Its text names the place, and repeats at most one character of the file.
        raise BadSettings(f"{CONFIG} is {path}, which is no TOML: {error}.") from None


def _read_secret(path: str, name: str) -> str:
    try:
        text = _read(path).removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(
            f"{name} is {path}, which cannot be read ({_reason(error)}): "
            "it accepts a file with nothing but the value."
        ) from None
    if not text or "\n" in text:
        problem = "has several lines" if text else "is empty"
        raise BadSettings(f"{name} is {path}, which {problem}: it accepts a file with one line.")
    return text


def _read(path: str) -> str:
    with Path(path).open(encoding="utf-8") as file:
        text = file.read(_LARGEST_FILE + 1)
    if len(text) > _LARGEST_FILE:
        raise OSError("it is larger than 1 MiB")
    return text


def _reason(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return error.strerror or str(error)
