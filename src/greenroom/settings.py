"""The settings: what can be set, what each accepts, and which values hold.

``greenroom.settings_sources`` finds them, in environment variables that start with ``GREENROOM_``
and in files. ``docs/operating.md`` has the table for people; ``tests/test_docs.py`` keeps the two
equal.
"""

import difflib
import os
import re
import secrets
import shlex
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from greenroom import settings_sources
from greenroom.settings_sources import BadSettings, Given, variable

PRIVATE_FOLDER = 0o700
"""The mode of the data folder."""

_DURATION = re.compile(r"(\d{1,9})\s*([smhd])", re.ASCII)
_DURATION_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_SIZE = re.compile(r"(\d{1,15})\s*(|B|[KMGT]i?B?)", re.IGNORECASE | re.ASCII)
_SIZE_FACTORS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_duration(text: str) -> timedelta:
    """A duration such as ``90s``, ``15m``, ``12h`` or ``14d``.

    Raises:
        ValueError: it is written otherwise, or longer than ten years.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError("a whole number followed by s, m, h or d, such as 14d")
    length = timedelta(**{_DURATION_UNITS[match[2]]: int(match[1])})
    if length > timedelta(days=3653):
        raise ValueError("a duration of at most 3653d")
    return length


def parse_size(text: str) -> int:
    """A size in bytes, such as ``500MiB``, ``1GiB`` or ``1048576``; units are powers of 1024.

    Raises:
        ValueError: it is written otherwise.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("a whole number with an optional KiB, MiB, GiB or TiB, such as 1GiB")
    return int(match[1]) * _SIZE_FACTORS[match[2][:1].upper().replace("B", "")]


def _duration(value: object) -> object:
    # A number without a unit is no duration, wherever it stands.
    return parse_duration(str(value)) if isinstance(value, str | int) else value


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _networks(value: object) -> object:
    parts = _parts(value)
    if not isinstance(parts, tuple | list) or not all(isinstance(part, str) for part in parts):
        return value
    try:
        return tuple(ip_network(part) for part in parts)
    except ValueError as error:
        raise ValueError("networks such as 10.0.0.0/8, separated by commas") from error


def _command(value: object) -> object:
    if isinstance(value, list):
        value = shlex.join(str(word) for word in value)
    if isinstance(value, str) and not shlex.split(value):
        raise ValueError("no command")
    return value


def _parts(value: object) -> object:
    """What is separated by commas, where it is text."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _base_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value) is None:
        raise ValueError("an http or https URL without query, such as https://index.example")
    return value.rstrip("/")


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0))]
Size = Annotated[int, BeforeValidator(_size), Field(gt=0)]
Count = Annotated[int, Field(ge=0, le=10**9)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)]
ProjectName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]
ProjectNames = Annotated[tuple[ProjectName, ...], BeforeValidator(_parts)]
BaseUrl = Annotated[str, BeforeValidator(_base_url)]
Command = Annotated[str, BeforeValidator(_command)]


class Settings(BaseModel):
    """Everything that can be set, parsed. Field names are the variables' without the prefix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path = Path("data")
    database_url: str | None = None
    storage_url: str | None = None
    s3_endpoint: str | None = None
    s3_public_endpoint: str | None = None
    url: BaseUrl | None = None
    secret_key: Annotated[str, Field(min_length=16)] | None = None
    registration: Literal["closed", "open"] = "closed"
    policy: Literal["public", "private"] = "public"
    max_file_size: Size = 2**30
    max_project_size: Size = 10 * 2**30
    max_total_size: Size | None = None
    max_user_size: Size | None = None
    prohibited_names: ProjectNames = ()
    new_projects_per_hour: Count = 20
    new_projects_per_day: Count = 0
    uploads_per_hour: Count = 0
    trusted_proxies: Networks = ()
    draft_lifetime: Duration = timedelta(days=14)
    draft_lifetime_max: Duration = timedelta(days=60)
    release_open_days: Annotated[int, Field(ge=0, le=36500)] = 14
    review_command: Command | None = None
    review_timeout: Duration = timedelta(minutes=10)
    purge_url: BaseUrl | None = None
    purge_token: str | None = None
    trash_days: Annotated[int, Field(ge=0, le=36500)] = 14
    stale_seconds: Annotated[int, Field(ge=0, le=86400)] | None = None
    downloads: Literal["on", "imported", "off"] = "on"
    audit_days: Annotated[int, Field(ge=1, le=36500)] | None = None
    log_format: Literal["text", "json"] = "json"
    access_log: Literal["on", "errors", "off"] = "on"
    metrics_token: Annotated[str, Field(min_length=16)] | None = None
    metrics_networks: Networks = ()

    @model_validator(mode="after")
    def _lifetime_below_its_maximum(self) -> Self:
        if self.draft_lifetime > self.draft_lifetime_max:
            raise ValueError(
                "GREENROOM_DRAFT_LIFETIME is longer than GREENROOM_DRAFT_LIFETIME_MAX: "
                "it accepts at most that maximum."
            )
        return self

    @property
    def private(self) -> bool:
        """Whether this index takes what only makes sense inside a company."""
        return self.policy == "private"

    @property
    def stale_answers(self) -> int:
        """For how many seconds public answers are sent while the database does not answer."""
        if self.stale_seconds is None:
            return 0 if self.private else 300
        return self.stale_seconds

    @property
    def embedded(self) -> bool:
        """Whether the database is the SQLite file that ``serve`` looks after by itself."""
        return self.database_url is None

    @property
    def embedded_database(self) -> Path:
        """The file of the embedded database."""
        return self.data.absolute() / "greenroom.sqlite"

    @property
    def sqlalchemy_url(self) -> str:
        """The database's URL, in SQLAlchemy's form."""
        return self.database_url or f"sqlite:///{self.embedded_database}"

    @property
    def files(self) -> Path:
        """The folder of the embedded storage, and of files that are still arriving."""
        return self.data.absolute() / "files"


_SECRETS = frozenset({"secret_key", "purge_token", "metrics_token"})
_URLS = frozenset({"database_url", "storage_url", "s3_endpoint", "s3_public_endpoint", "purge_url"})
# What holds where nothing is set, for settings whose default is not a value.
_UNSET = {
    "audit_days": "for ever",
    "url": "from the request",
    "secret_key": "made at the first start, kept in the data folder",
    "s3_endpoint": "the provider's",
    "s3_public_endpoint": "the provider's; none where GREENROOM_S3_ENDPOINT is set",
}
_ACCEPTS = {
    "data": "a folder",
    "database_url": ("postgresql+psycopg2://user:password@host/database or sqlite:///path"),
    "storage_url": "s3://bucket/prefix",
    "s3_endpoint": "an http or https URL",
    "s3_public_endpoint": "an http or https URL",
    "purge_token": "text",
    "registration": "closed or open",
    "policy": "public or private",
    "log_format": "text or json",
    "access_log": "on, errors or off",
    "metrics_token": "at least 16 characters",
    "metrics_networks": "networks such as 10.0.0.0/8, separated by commas",
    "secret_key": "at least 16 characters",
    "downloads": "on, imported or off",
    "audit_days": "a whole number of days, at least 1; leave it unset for ever",
    "prohibited_names": "project names, separated by commas",
    "new_projects_per_hour": "a whole number, 0 for no limit",
    "new_projects_per_day": "a whole number, 0 for no limit",
    "uploads_per_hour": "a whole number, 0 for no limit",
    "release_open_days": "a whole number of days, 0 for ever",
    "stale_seconds": "a whole number of seconds up to 86400, 0 for not at all",
    "trash_days": "a whole number of days, 0 for not at all",
    "max_file_size": "a whole number with an optional KiB, MiB, GiB or TiB, such as 1GiB",
    "max_project_size": "a whole number with an optional KiB, MiB, GiB or TiB, such as 10GiB",
    "max_total_size": "a whole number with an optional KiB, MiB, GiB or TiB, such as 500GiB",
    "max_user_size": "a whole number with an optional KiB, MiB, GiB or TiB, such as 50GiB",
    "draft_lifetime": "a whole number followed by s, m, h or d, such as 14d",
    "draft_lifetime_max": "a whole number followed by s, m, h or d, such as 60d",
    "review_command": "a command with its arguments, quoted as in a shell",
    "review_timeout": "a whole number followed by s, m, h or d, such as 10m",
    "trusted_proxies": "networks such as 10.0.0.0/8, separated by commas",
    "url": "an http or https URL without query, such as https://index.example",
    "purge_url": "an http or https URL without query, such as https://cache.example/purge",
}


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from the environment and the files that it names.

    An environment variable wins over the same setting in the file of ``GREENROOM_CONFIG``; what is
    empty counts as not set.

    Raises:
        BadSettings: one does not parse; the sentence has its name and what it accepts.
    """
    return _parsed(settings_sources.given(Settings.model_fields, environ))


def _parsed(given: Mapping[str, Given]) -> Settings:
    for field, found in given.items():
        if not _is_plain(found.value):
            raise BadSettings(_not_accepted(field, found))
    values = {field: found.value for field, found in given.items()}
    values.setdefault("log_format", "text" if sys.stderr.isatty() else "json")
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise BadSettings(_sentence(error, given)) from None
    if settings.database_url is not None:
        check_database_url(variable("database_url"), settings.database_url)
    return settings


def _is_plain(value: object) -> bool:
    """Whether it is what a setting may be in a TOML file: text, a whole number, or a list."""
    if isinstance(value, list):
        return all(isinstance(part, str) for part in value)
    return isinstance(value, str | int) and not isinstance(value, bool)


@dataclass(frozen=True)
class Shown:
    """A setting for people.

    Attributes:
        name: its environment variable.
        value: what holds, as text that may be shown to anybody: no secret, no password.
        source: ``default``, ``environment``, or the path of the file that says so.
    """

    name: str
    value: str
    source: str


def shown_settings(environ: Mapping[str, str] = os.environ) -> list[Shown]:
    """Every setting with the value that holds and where it comes from, without secrets.

    Raises:
        BadSettings: as ``load_settings``.
    """
    given = settings_sources.given(Settings.model_fields, environ)
    settings = _parsed(given)
    return [
        Shown(
            variable(field),
            _shown(settings, field),
            given[field].source if field in given else "default",
        )
        for field in Settings.model_fields
    ]


def _shown(settings: Settings, field: str) -> str:
    value: object = getattr(settings, field)
    if field == "data":
        return str(settings.data.absolute())
    if field == "database_url":
        return _without_password(settings.sqlalchemy_url)
    if field == "stale_seconds":
        return str(settings.stale_answers)
    if field == "storage_url" and value is None:
        return str(settings.files)
    if value is None or value == ():
        return _UNSET.get(field, "none")
    if field in _SECRETS:
        return "(set, not shown)"
    if field == "review_command":  # its arguments may be secrets
        program, *arguments = shlex.split(str(value))
        return f"{program} …" if arguments else program
    if field.endswith("_size") and isinstance(value, int):
        return _size_text(value)
    return _without_password(_text(value))


def _text(value: object) -> str:
    """A parsed value in the form in which it can be set."""
    if isinstance(value, timedelta):
        return _in_units(int(value.total_seconds()), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    return str(value)


def _size_text(size: int) -> str:
    return _in_units(size, ("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10), ("", 1))


def _in_units(number: int, *units: tuple[str, int]) -> str:
    name, factor = next(unit for unit in units if number % unit[1] == 0)
    return f"{number // factor}{name}"


def _without_password(url: str) -> str:
    """A URL, or any text, without what stands before an ``@`` but the user's name."""
    url = re.sub(r"(://[^:/@?#]*):.*@", r"\1:***@", url)
    return re.sub(r"([?&][^=&]*(?:password|secret|token|key)[^=&]*=)[^&]*", r"\1***", url)


def unknown_variables(environ: Mapping[str, str] = os.environ) -> list[str]:
    """A sentence about each name that looks like a setting and is none.

    Raises:
        BadSettings: the file of ``GREENROOM_CONFIG`` cannot be read.
    """
    fields = list(Settings.model_fields)
    sentences = []
    for name, written in settings_sources.unknown_names(fields, environ):
        in_file = " in " in written
        near = difflib.get_close_matches(name, fields if in_file else [*fields, "config"], n=1)
        hint = "docs/operating.md has them all."
        if near:
            hint = f"did you mean {near[0] if in_file else variable(near[0])}?"
        sentences.append(f"{written} is no setting and does nothing: {hint}")
    return sentences


def check_data_folder(settings: Settings) -> None:
    """See that the data folder is a folder, or can be made.

    Raises:
        BadSettings: something else is where it or a folder around it should be.
    """
    folder = settings.data.absolute()
    existing = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not existing.is_dir():
        raise BadSettings(
            f"GREENROOM_DATA is {folder}, but {existing} is no folder: it accepts a folder, "
            "which is made where there is none."
        )


def _sentence(error: ValidationError, given: Mapping[str, Given]) -> str:
    first = error.errors()[0]
    if not first["loc"]:
        return str(first["ctx"]["error"])
    field = str(first["loc"][0])
    return _not_accepted(field, given[field])


def _not_accepted(field: str, found: Given) -> str:
    # This sentence ends up in logs.
    secret = field in _SECRETS | _URLS or settings_sources.is_of_secret_file(found)
    value = "not understood" if secret else repr(found.value)
    return f"{found.name} is {value}: it accepts {_ACCEPTS[field]}."


def check_database_url(name: str, url: str) -> None:
    """See that a URL, which is called so, is one of a database that an index can use.

    Raises:
        BadSettings: it is not.
    """
    if not url.startswith(("postgresql+psycopg2://", "postgresql://", "sqlite:///")):
        raise BadSettings(f"{name} is not understood: it accepts {_ACCEPTS['database_url']}.")


def address_warning(settings: Settings) -> str | None:
    """A sentence for operators whose index believes everybody about its own address."""
    if settings.url is not None or not settings.trusted_proxies:
        return None
    return (
        "GREENROOM_TRUSTED_PROXIES is set and GREENROOM_URL is not: the index takes its own "
        "address from what clients say, and no shared cache keeps what has it. Set GREENROOM_URL "
        "to the public address."
    )


def exposure_warnings(settings: Settings) -> list[str]:
    """A sentence about each thing of the index that other accounts of this machine can read."""
    places = [(settings.data.absolute(), "0700")]
    if settings.embedded:
        places.append((settings.embedded_database, "0600"))
    return [
        f"{path} is open to other accounts of this machine: 'chmod {mode} {path}' closes it."
        for path, mode in places
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]


def key_file(settings: Settings) -> Path | None:
    """The file that keeps the key that signs session cookies; None where the key is a setting."""
    return settings.data.absolute() / "secret-key" if settings.secret_key is None else None


def secret_key(settings: Settings) -> str:
    """The key that signs session cookies: the setting, or one that is made once and then kept.

    It is kept in the data folder, with mode 0600. Two processes that start at the same moment agree
    on one key.
    """
    path = key_file(settings)
    if path is None:
        return str(settings.secret_key)
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        pass
    path.parent.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
    aside = path.with_name(f"secret-key.{secrets.token_hex(8)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link, unlike a rename, fails when another process was first: then its key is the key.
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    return path.read_text("ascii")
