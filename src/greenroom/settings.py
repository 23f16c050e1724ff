"""The settings: what can be set, what each accepts, and which values hold.

``greenroom.settings_sources`` finds them, in environment variables that start with ``GREENROOM_``
and in files. ``docs/operating.md`` has the table for people; ``tests/test_docs.py`` keeps the two
equal.
"""

import os
import re
import secrets
import shlex
import stat
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from greenroom import selections, settings_sources, trusted_issuers, upstream_settings
from greenroom.openid.issuers import is_issuer
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


# What makes values of what is set, which is text, a whole number or a list of texts. Each raises
# ValueError for what it does not accept. Those whose values are text or numbers leave it to
# parse_setting to see that they are, and within their limits.


def _folder(value: object) -> Path:
    return Path(_text_of(value))


def _text_of(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text")
    return value


def _whole_number(value: object) -> object:
    if isinstance(value, str):
        if not value.isascii():
            raise ValueError("a whole number, in the digits 0 to 9")
        return int(value)
    return value


def _duration(value: object) -> timedelta:
    length = _duration_or_zero(value)
    if not length:
        raise ValueError("a duration of at least one second")
    return length


def _duration_or_zero(value: object) -> timedelta:
    # A number without a unit is no duration, wherever it stands.
    return parse_duration(_text_of(value))


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _networks(value: object) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part) for part in _words(value))
    except ValueError as error:
        raise ValueError("networks such as 10.0.0.0/8, separated by commas") from error


def _command(value: object) -> object:
    if isinstance(value, list):
        value = shlex.join(str(word) for word in value)
    if isinstance(value, str) and not shlex.split(value):
        raise ValueError("no command")
    return value


def _words(value: object) -> tuple[str, ...]:
    """What is separated by commas or spaces, where it is text."""
    if isinstance(value, str):
        return tuple(value.replace(",", " ").split())
    return _texts(value)


def _listed(value: object) -> tuple[str, ...]:
    """What is separated by commas alone, where it is text: it may have spaces in it."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return _texts(value)


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise ValueError("text, or a list of texts")
    return tuple(value)


_PROJECT_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)


def _project_names(value: object) -> tuple[str, ...]:
    names = _words(value)
    if not all(_PROJECT_NAME.fullmatch(name) for name in names):
        raise ValueError("project names, separated by commas")
    return names


def _issuers(value: object) -> tuple[trusted_issuers.TrustedIssuer, ...]:
    return trusted_issuers.parse_all(_listed(value))


def _upstreams(value: object) -> tuple[upstream_settings.Upstream, ...]:
    return upstream_settings.parse_all(_listed(value))


def _claims(value: object) -> tuple[str, ...]:
    claims = _words(value)
    if not all(upstream_settings.is_claim(claim) for claim in claims):
        raise ValueError(upstream_settings.CLAIMED_FORM)
    return claims


def _selections(value: object) -> tuple[selections.Selection, ...]:
    return selections.parse_all(value if isinstance(value, str) else ",".join(_texts(value)))


def _licenses(value: object) -> tuple[str, ...]:
    return tuple(upstream_settings.license_of(part) for part in _listed(value))


_TEAM = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,48}[A-Za-z0-9])?", re.ASCII)
_TEAMS_OF_GROUPS = "groups with the teams of their members: group=team, other group=team2"


def _teams_of_groups(value: object) -> tuple[str, ...]:
    # A group may have such a sign in its name, as those of directories have; a team has none.
    split = [part.rpartition("=") for part in _listed(value)]
    pairs = [(group.strip(), team.strip()) for group, _, team in split]
    if not all(group and _TEAM.fullmatch(team) for group, team in pairs):
        raise ValueError(_TEAMS_OF_GROUPS)
    return tuple(f"{group}={team}" for group, team in pairs)


def _issuer_url(value: object) -> object:
    if isinstance(value, str) and not is_issuer(value):
        raise ValueError("an https URL without query, as the issuer calls itself")
    return value


_MAIL_URL = (
    "smtp://user:password@host:587, smtps://user:password@host, or smtp+plain://host where nobody "
    "can listen on the way"
)


def _mail_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    url = urlsplit(value)
    is_whole = url.scheme in ("smtp", "smtps", "smtp+plain") and url.hostname and url.port != 0
    has_more = url.path not in ("", "/") or url.query or url.fragment
    if not is_whole or has_more or (url.username is None) != (url.password is None):
        raise ValueError(_MAIL_URL)  # and so does a port that is none
    return value


_LONGEST_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, and its erratum 1690
_SENDER = re.compile(r"(?:[A-Za-z0-9 ._-]+<(?P<named>[^<>]+)>|(?P<bare>[^<>]+))", re.ASCII)
_ADDRESS = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*", re.ASCII
)


def is_mail_address(text: str) -> bool:
    """Whether mail can be sent to it: ASCII, without comments or quotes (of RFC 5321's mailboxes).

    A domain with other letters has a form of ASCII letters as well, which begins with ``xn--``.
    """
    return len(text) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def _sender(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _SENDER.fullmatch(value.strip())
    if found is None or not is_mail_address(found["named"] or found["bare"]):
        raise ValueError("an address, such as Greenroom <greenroom@index.example>")
    return value.strip()


def _base_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value) is None:
        raise ValueError("an http or https URL without query, such as https://index.example")
    return value.rstrip("/")


Folder = Annotated[Path, _folder]
Duration = Annotated[timedelta, _duration]
DurationOrZero = Annotated[timedelta, _duration_or_zero]
Size = Annotated[int, _size, Meta(gt=0)]
Count = Annotated[int, _whole_number, Meta(ge=0, le=10**9)]
Days = Annotated[int, _whole_number, Meta(ge=0, le=36500)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], _networks]
ProjectNames = Annotated[tuple[str, ...], _project_names]
BaseUrl = Annotated[str, _base_url]
TrustedIssuers = Annotated[tuple[trusted_issuers.TrustedIssuer, ...], _issuers]
IssuerUrl = Annotated[str, _issuer_url]
Words = Annotated[tuple[str, ...], _words]
Upstreams = Annotated[tuple[upstream_settings.Upstream, ...], _upstreams]
Claims = Annotated[tuple[str, ...], _claims]
Selections = Annotated[tuple[selections.Selection, ...], _selections]
Licenses = Annotated[tuple[str, ...], _licenses]
Groups = Annotated[tuple[str, ...], _listed]
TeamsOfGroups = Annotated[tuple[str, ...], _teams_of_groups]
Command = Annotated[str, _command]
MailUrl = Annotated[str, _mail_url]
Sender = Annotated[str, _sender]
Key = Annotated[str, Meta(min_length=16)]


class Settings(Struct, frozen=True, kw_only=True):
    """Everything that can be set, parsed. Field names are the variables' without the prefix.

    Who makes one gives values of the types below; ``parse_setting`` makes them of text. To change
    some, use ``msgspec.structs.replace``.

    Raises:
        BadSettings: the values do not fit together.
    """

    data: Folder = Path("data")
    database_url: str | None = None
    storage_url: str | None = None
    s3_endpoint: str | None = None
    s3_public_endpoint: str | None = None
    url: BaseUrl | None = None
    secret_key: Key | None = None
    registration: Literal["closed", "open"] = "closed"
    session_idle: Duration = timedelta(days=14)
    session_lifetime: Duration = timedelta(days=90)
    require_second_factor: Literal["none", "administrators", "owners", "everybody"] = "none"
    policy: Literal["public", "private"] = "public"
    read: Literal["public", "members", "projects"] = "public"
    read_cache: DurationOrZero = timedelta(seconds=10)
    draft_links: Literal["anyone", "members"] = "anyone"
    auto_publish: Literal["true", "false"] = "true"
    max_file_size: Size = 2**30
    max_project_size: Size = 10 * 2**30
    max_total_size: Size | None = None
    max_user_size: Size | None = None
    prohibited_names: ProjectNames = ()
    new_projects_per_hour: Count = 20
    new_projects_per_day: Count = 0
    uploads_per_hour: Count = 0
    trusted_proxies: Networks = ()
    trusted_issuers: TrustedIssuers = ()
    passwords: Literal["on", "off"] = "on"
    oidc_issuer: IssuerUrl | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = None
    oidc_name: Annotated[str, Meta(max_length=50)] | None = None
    oidc_scopes: Words = ("profile", "email")
    oidc_hosts: Words = ()
    oidc_accounts: Literal["create", "linked"] = "create"
    oidc_username_claim: str = "preferred_username"
    oidc_groups_claim: str = "groups"
    oidc_groups: Groups = ()
    oidc_admin_groups: Groups = ()
    oidc_teams: TeamsOfGroups = ()
    trusted_user_header: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9-]*\Z")] | None = None
    draft_lifetime: Duration = timedelta(days=14)
    draft_lifetime_max: Duration = timedelta(days=60)
    release_open_days: Days = 14
    review_command: Command | None = None
    review_timeout: Duration = timedelta(minutes=10)
    purge_url: BaseUrl | None = None
    purge_token: str | None = None
    webhook_networks: Networks = ()
    claimed_names: Claims = ()
    upstreams: Upstreams = ()
    upstream_mode: Literal["redirect", "cache"] = "redirect"
    upstream_hosts: Words = ()
    upstream_networks: Networks = ()
    upstream_stale: Duration = timedelta(days=1)
    upstream_cache_size: Size = 20 * 2**30
    upstream_page_memory: Annotated[int, _size, Meta(ge=16 * 2**20)] = 768 * 2**20
    upstream_min_age: Duration | None = None
    upstream_wheels_only: Literal["true", "false"] = "false"
    upstream_licenses: Licenses = ()
    upstream_unknown_licenses: Literal["allow", "refuse"] = "allow"
    upstream_max_file_size: Size | None = None
    upstream_allow: Selections = ()
    upstream_deny: Selections = ()
    mail_url: MailUrl | None = None
    mail_from: Sender | None = None
    trash_days: Days = 14
    stale_seconds: Annotated[int, _whole_number, Meta(ge=0, le=86400)] | None = None
    downloads: Literal["on", "imported", "off"] = "on"
    audit_days: Annotated[int, _whole_number, Meta(ge=1, le=36500)] | None = None
    log_format: Literal["text", "json"] = "json"
    access_log: Literal["on", "errors", "off"] = "on"
    metrics_token: Key | None = None
    metrics_networks: Networks = ()

    def __post_init__(self) -> None:
        self._lifetime_below_its_maximum()
        self._tokens_are_for_one_index()
        self._single_sign_on_is_whole()
        self._licenses_are_read()
        self._mail_has_what_it_needs()

    def _lifetime_below_its_maximum(self) -> None:
        if self.draft_lifetime > self.draft_lifetime_max:
            raise BadSettings(
                "GREENROOM_DRAFT_LIFETIME is longer than GREENROOM_DRAFT_LIFETIME_MAX: "
                "it accepts at most that maximum."
            )

    def _tokens_are_for_one_index(self) -> None:
        if self.trusted_issuers and self.url is None:
            raise BadSettings(
                "GREENROOM_TRUSTED_ISSUERS is set and GREENROOM_URL is not: set it to the public "
                "address, so that no ID token for another service is taken here."
            )

    def _single_sign_on_is_whole(self) -> None:
        if self.oidc_issuer is not None and (self.oidc_client_id is None or self.url is None):
            raise BadSettings(
                "GREENROOM_OIDC_ISSUER is set: set GREENROOM_OIDC_CLIENT_ID, too, and "
                "GREENROOM_URL to the public address, to which people come back when they have "
                "signed in."
            )
        if self.trusted_user_header is not None and not self.trusted_proxies:
            raise BadSettings(
                "GREENROOM_TRUSTED_USER_HEADER is set and GREENROOM_TRUSTED_PROXIES is not: "
                "anybody could send that header; set the networks of the proxies that may."
            )
        if self.passwords == "off" and not (self.oidc_issuer or self.trusted_user_header):
            raise BadSettings(
                "GREENROOM_PASSWORDS is off, and nobody could sign in: set GREENROOM_OIDC_ISSUER "
                "or GREENROOM_TRUSTED_USER_HEADER first."
            )

    def _licenses_are_read(self) -> None:
        if self.upstream_licenses and self.upstream_mode != "cache":
            raise BadSettings(
                "GREENROOM_UPSTREAM_LICENSES is set and GREENROOM_UPSTREAM_MODE is not cache: "
                "metadata is read where files come through this index."
            )

    def _mail_has_what_it_needs(self) -> None:
        missing = [variable(each) for each in ("mail_from", "url") if getattr(self, each) is None]
        if self.mail_url is not None and missing:
            raise BadSettings(
                f"GREENROOM_MAIL_URL also takes {' and '.join(missing)}: mail says who sends it, "
                "and has links to this index."
            )

    @property
    def takes_passwords(self) -> bool:
        """Whether people sign in with a password of this index."""
        return self.passwords == "on"

    @property
    def takes_registrations(self) -> bool:
        """Whether anyone may have an account, with a password."""
        return self.registration == "open" and self.takes_passwords

    @property
    def oidc_groups_of_teams(self) -> dict[str, frozenset[str]]:
        """The groups whose members are in a team, by the name of the team in lower case."""
        found: dict[str, frozenset[str]] = {}
        for pair in self.oidc_teams:
            group, _, team = pair.rpartition("=")
            found[team.lower()] = found.get(team.lower(), frozenset()) | {group}
        return found

    @property
    def oidc_label(self) -> str | None:
        """What pages call the identity provider; None where there is none."""
        if self.oidc_issuer is None:
            return None
        return self.oidc_name or self.oidc_issuer.partition("://")[2].partition("/")[0]

    @property
    def audience(self) -> str | None:
        """Whom ID tokens for trusted publishing are for; None where none are taken."""
        if self.url is None or not self.trusted_issuers:
            return None
        return self.url.partition("://")[2]

    @property
    def publishes_directly(self) -> bool:
        """Whether new projects publish what is uploaded, without a draft and without a person."""
        return self.auto_publish == "true"

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


FIELDS: tuple[str, ...] = Settings.__struct_fields__
"""The names of all settings, without the prefix of the variables."""

_SECRETS = frozenset({"oidc_client_secret", "secret_key", "purge_token", "metrics_token"})
_URLS = frozenset(
    {
        "database_url",
        "storage_url",
        "s3_endpoint",
        "s3_public_endpoint",
        "purge_url",
        "mail_url",
        "upstreams",
    }
)
# What holds where nothing is set, for settings whose default is not a value.
_UNSET = {
    "oidc_name": "the host of the issuer",
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
    "passwords": "on or off",
    "oidc_issuer": "an https URL without query, as the issuer calls itself",
    "oidc_client_id": "text",
    "oidc_client_secret": "text",
    "oidc_name": "text of at most 50 characters",
    "oidc_scopes": "scopes, separated by commas",
    "oidc_hosts": "hosts, separated by commas",
    "oidc_accounts": "create or linked",
    "oidc_username_claim": "the name of a claim",
    "oidc_groups_claim": "the name of a claim",
    "oidc_groups": "groups, separated by commas",
    "oidc_admin_groups": "groups, separated by commas",
    "oidc_teams": _TEAMS_OF_GROUPS,
    "trusted_user_header": "the name of a header, such as X-Forwarded-User",
    "policy": "public or private",
    "read": "public, members or projects",
    "read_cache": "a whole number followed by s, m, h or d, such as 10s; 0s for not at all",
    "draft_links": "anyone or members",
    "auto_publish": "true or false",
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
    "session_idle": "a whole number followed by s, m, h or d, such as 14d",
    "session_lifetime": "a whole number followed by s, m, h or d, such as 90d",
    "require_second_factor": "none, administrators, owners or everybody",
    "review_command": "a command with its arguments, quoted as in a shell",
    "review_timeout": "a whole number followed by s, m, h or d, such as 10m",
    "trusted_issuers": trusted_issuers.FORM,
    "trusted_proxies": "networks such as 10.0.0.0/8, separated by commas",
    "url": "an http or https URL without query, such as https://index.example",
    "claimed_names": upstream_settings.CLAIMED_FORM,
    "upstreams": upstream_settings.FORM,
    "upstream_hosts": "names of hosts, such as files.index.example, separated by commas",
    "upstream_networks": "networks such as 10.0.0.0/8, separated by commas",
    "upstream_stale": "a whole number followed by s, m, h or d, such as 1d",
    "upstream_cache_size": "a whole number with an optional KiB, MiB, GiB or TiB, such as 20GiB",
    "upstream_page_memory": "a size of at least 16MiB, such as 256MiB",
    "upstream_min_age": "a whole number followed by s, m, h or d, such as 7d",
    "upstream_wheels_only": "true or false",
    "upstream_mode": "redirect or cache",
    "upstream_licenses": upstream_settings.LICENSE_FORM,
    "upstream_unknown_licenses": "allow or refuse",
    "upstream_allow": selections.FORM,
    "upstream_deny": selections.FORM,
    "upstream_max_file_size": "a whole number with an optional KiB, MiB, GiB or TiB, such as 1GiB",
    "webhook_networks": "networks such as 10.0.0.0/8, separated by commas",
    "mail_url": _MAIL_URL,
    "mail_from": "an address, such as Greenroom <greenroom@index.example>",
    "purge_url": "an http or https URL without query, such as https://cache.example/purge",
}


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from the environment and the files that it names.

    An environment variable wins over the same setting in the file of ``GREENROOM_CONFIG``; what is
    empty counts as not set.

    Raises:
        BadSettings: one does not parse; the sentence has its name and what it accepts.
    """
    return _parsed(settings_sources.given(FIELDS, environ))


def _parsed(given: Mapping[str, Given]) -> Settings:
    for field, found in given.items():
        if not _is_plain(found.value):
            raise BadSettings(_not_accepted(field, found))
    values: dict[str, object] = {"log_format": "text" if sys.stderr.isatty() else "json"}
    for field in FIELDS:
        if field in given:
            try:
                values[field] = parse_setting(field, given[field].value)
            except ValueError:
                raise BadSettings(_not_accepted(field, given[field])) from None
    settings = replace(Settings(), **values)
    if settings.database_url is not None:
        check_database_url(variable("database_url"), settings.database_url)
    return settings


def parse_setting(field: str, value: object) -> object:
    """What a setting is when something is set for it.

    Args:
        field: which setting.
        value: text; or a whole number or a list of texts, as they are in a TOML file.

    Raises:
        ValueError: the setting does not accept it. The text of the error may have the value in it,
            which may be a secret.
    """
    wanted = Settings.__annotations__[field]
    kind, read = _reader(wanted)
    if read is None:
        return msgspec.convert(value, wanted)
    made = read(value)
    return msgspec.convert(made, wanted) if kind in (str, int) else made


def _reader(wanted: object) -> tuple[object, Callable[[object], object] | None]:
    """What kind of value a type is of, and the function in its annotation that makes such a one."""
    for part in (wanted, *get_args(wanted)):  # where None is possible, it is a part
        for rule in getattr(part, "__metadata__", ()):
            if callable(rule):
                return get_args(part)[0], rule
    return wanted, None


def _is_plain(value: object) -> bool:
    """Whether it is what a setting may be in a TOML file: text, a whole number, or a list."""
    if isinstance(value, list):
        return all(isinstance(part, str) for part in value)
    return isinstance(value, str | int) and not isinstance(value, bool)


class Shown(Struct, frozen=True):
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
    given = settings_sources.given(FIELDS, environ)
    return _all_shown(_parsed(given), given)


def settings_that_hold(settings: Settings, environ: Mapping[str, str] = os.environ) -> list[Shown]:
    """The same of settings that were loaded before, which hold whatever has changed since."""
    try:
        given = settings_sources.given(FIELDS, environ)
    except BadSettings:  # a file that is read at the start was changed, or is gone
        given = {}
    return _all_shown(settings, given)


def _all_shown(settings: Settings, given: Mapping[str, settings_sources.Given]) -> list[Shown]:
    return [
        Shown(
            variable(field),
            _shown(settings, field),
            given[field].source if field in given else "default",
        )
        for field in FIELDS
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
    fields = list(FIELDS)
    sentences = []
    for name, written in settings_sources.unknown_names(fields, environ):
        import difflib  # seldom there is one

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
