"""Whose ID tokens are taken for trusted publishing, as the operator sets it.

An entry of the setting is one issuer: ``github``, ``gitlab=https://gitlab.example``, or one of any
other service with the claims that tell its jobs apart,
``buildkite=https://agent.buildkite.example organization_slug pipeline_slug``.
"""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from greenroom.openid.issuers import Issuer, is_issuer

FORM = (
    "github, gitlab, forgejo=https://forge.example/api/actions or "
    "name=https://issuer.example claim ..., separated by commas"
)

Service = Literal["github", "gitlab", "forgejo", "other"]

_KNOWN: Mapping[str, Service] = MappingProxyType(
    {"github": "github", "gitlab": "gitlab", "forgejo": "forgejo", "gitea": "forgejo"}
)
_HOME = MappingProxyType(
    {"github": "https://token.actions.githubusercontent.com", "gitlab": "https://gitlab.com"}
)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_CLAIM = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{0,60}")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,200}(:[0-9]{1,5})?")
_KEYS = "keys="


class TrustedIssuer(Struct, frozen=True):
    """An issuer of ID tokens that the operator trusts.

    Attributes:
        name: what people call it.
        service: whose claims its tokens have; ``other`` where it is none of those that are known.
        url: what it calls itself.
        claims: which of its claims tell its jobs apart, where it is of no known service.
        key_hosts: where its keys may lie besides its own host.
    """

    name: str
    service: Service
    url: str
    claims: tuple[str, ...] = ()
    key_hosts: tuple[str, ...] = ()

    @property
    def issuer(self) -> Issuer:
        """Whom to ask for its keys."""
        return Issuer(self.url, frozenset(self.key_hosts))

    def __str__(self) -> str:
        """As it is set."""
        keys = (f"{_KEYS}{host}" for host in self.key_hosts)
        return " ".join([f"{self.name}={self.url}", *self.claims, *keys])


def parse(entry: str) -> TrustedIssuer:
    """One entry of the setting.

    Raises:
        ValueError: it is written otherwise.
    """
    first, *words = entry.split() or [""]
    name, _, url = first.partition("=")
    service = _KNOWN.get(name, "other")
    url = url or _HOME.get(name, "")
    hosts = tuple(word.removeprefix(_KEYS) for word in words if word.startswith(_KEYS))
    claims = tuple(word for word in words if not word.startswith(_KEYS))
    is_good = (
        _NAME.fullmatch(name)
        and is_issuer(url)
        and all(_CLAIM.fullmatch(claim) for claim in claims)
        and all(_HOST.fullmatch(host) for host in hosts)
        and len(set(claims)) == len(claims)
        and (service == "other") == bool(claims)
    )
    if not is_good:
        raise ValueError(FORM)
    return TrustedIssuer(name, service, url, claims, hosts)


def parse_all(entries: Sequence[str]) -> tuple[TrustedIssuer, ...]:
    """All entries of the setting.

    Raises:
        ValueError: one is written otherwise, or two have the same name or address.
    """
    found = tuple(parse(entry) for entry in entries if entry.strip())
    if len({each.url for each in found}) < len(found) or len({each.name for each in found}) < len(
        found
    ):
        raise ValueError("issuers with one name and one address each")
    return found
