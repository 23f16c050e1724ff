"""Under which licences files of upstreams come, as far as their metadata says so (SPDX, PEP 639).

What metadata says is read in this order: its licence expression, its licence field where that is
an expression or a name that everybody knows, its classifiers. What can be read in several ways is
taken in the way that lets less in.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType

from packaging.licenses import canonicalize_license_expression
from sqlalchemy import select

from greenroom.core_metadata import CoreMetadata
from greenroom.models import UpstreamLicense
from greenroom.registry.unit_of_work import UnitOfWork

_LONGEST = 500
_MOST_KEPT = 200_000

_TWO_BSD = "BSD-2-Clause AND BSD-3-Clause"
_APPROVED = "License :: OSI Approved ::"
# "AND" where a classifier leaves it open which of several it is.
_OF_CLASSIFIERS: Mapping[str, str] = MappingProxyType(
    {
        f"{_APPROVED} MIT License": "MIT",
        f"{_APPROVED} MIT No Attribution License (MIT-0)": "MIT-0",
        f"{_APPROVED} Apache Software License": "Apache-2.0",
        f"{_APPROVED} BSD License": _TWO_BSD,
        f"{_APPROVED} ISC License (ISCL)": "ISC",
        f"{_APPROVED} Zero-Clause BSD (0BSD)": "0BSD",
        f"{_APPROVED} Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
        f"{_APPROVED} Mozilla Public License 1.1 (MPL 1.1)": "MPL-1.1",
        f"{_APPROVED} Python Software Foundation License": "PSF-2.0",
        f"{_APPROVED} The Unlicense (Unlicense)": "Unlicense",
        f"{_APPROVED} Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
        f"{_APPROVED} zlib/libpng License": "Zlib",
        f"{_APPROVED} Zope Public License": "ZPL-2.1",
        f"{_APPROVED} Artistic License": "Artistic-1.0 AND Artistic-2.0",
        f"{_APPROVED} Eclipse Public License 1.0 (EPL-1.0)": "EPL-1.0",
        f"{_APPROVED} Eclipse Public License 2.0 (EPL-2.0)": "EPL-2.0",
        f"{_APPROVED} European Union Public Licence 1.2 (EUPL 1.2)": "EUPL-1.2",
        f"{_APPROVED} GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
        f"{_APPROVED} GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
        f"{_APPROVED} GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
        f"{_APPROVED} GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
        f"{_APPROVED} GNU Lesser General Public License v2 (LGPLv2)": "LGPL-2.0-only",
        f"{_APPROVED} GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
        f"{_APPROVED} GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
        f"{_APPROVED} GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
        f"{_APPROVED} GNU Affero General Public License v3": "AGPL-3.0-only",
        f"{_APPROVED} GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
        "License :: CC0 1.0 Universal (CC0 1.0) Public Domain Dedication": "CC0-1.0",
    }
)
# What people write into the licence field, in lower case.
_OF_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "mit license": "MIT",
        "the mit license": "MIT",
        "expat": "MIT",
        "apache 2": "Apache-2.0",
        "apache 2.0": "Apache-2.0",
        "apache license 2.0": "Apache-2.0",
        "apache license, version 2.0": "Apache-2.0",
        "apache software license 2.0": "Apache-2.0",
        "apache-2": "Apache-2.0",
        "bsd": _TWO_BSD,
        "bsd license": _TWO_BSD,
        "bsd 3-clause": "BSD-3-Clause",
        "bsd 3-clause license": "BSD-3-Clause",
        "3-clause bsd": "BSD-3-Clause",
        "new bsd": "BSD-3-Clause",
        "bsd 2-clause": "BSD-2-Clause",
        "simplified bsd": "BSD-2-Clause",
        "isc license": "ISC",
        "mpl 2.0": "MPL-2.0",
        "psf": "PSF-2.0",
        "psf license": "PSF-2.0",
        "gplv2": "GPL-2.0-only",
        "gplv2+": "GPL-2.0-or-later",
        "gplv3": "GPL-3.0-only",
        "gplv3+": "GPL-3.0-or-later",
        "lgplv3": "LGPL-3.0-only",
        "lgplv3+": "LGPL-3.0-or-later",
    }
)


def expression_of(metadata: CoreMetadata) -> str:
    """What metadata says of the licence, as an expression of SPDX; empty where it says none."""
    stated = _canonical(metadata.license_expression)
    if stated:
        return stated
    text = " ".join(metadata.license.split())
    named = _OF_NAMES.get(text.lower(), "") or _canonical(text)
    return named or _of_classifiers(metadata.classifiers)


def _of_classifiers(classifiers: Iterable[str]) -> str:
    licenses = [
        each for each in classifiers if each.startswith("License ::") and each != _APPROVED[:-3]
    ]
    known = [_OF_CLASSIFIERS.get(each, "") for each in licenses]
    # Where one of them is not known, nobody can say what holds besides the others.
    return " AND ".join(dict.fromkeys(known)) if all(known) else ""


def _canonical(text: str) -> str:
    if not text or len(text) > _LONGEST:
        return ""
    try:
        return str(canonicalize_license_expression(text))
    except (ValueError, RecursionError, MemoryError):
        # Parentheses in parentheses exhaust the parser of Python, which does the work.
        return ""


def is_allowed(expression: str, allowed: Collection[str]) -> bool:
    """Whether somebody may use what comes under a licence who may use it under these.

    Of licences that are joined by ``OR`` one is enough; of those joined by ``AND``, which binds
    more tightly, every one is needed. An exception (``WITH``) only gives more rights: the licence
    is enough, or the licence with that exception.

    Args:
        expression: in canonical form.
        allowed: licences, or licences with an exception, in any letter case.
    """
    tokens = re.findall(r"[()]|[^\s()]+", expression)
    return _Expression(tokens, frozenset(each.lower() for each in allowed)).read()


class _Expression:
    """An expression that is read from its beginning to its end, by recursive descent."""

    def __init__(self, tokens: list[str], allowed: frozenset[str]) -> None:
        self._tokens = tokens[::-1]
        self._allowed = allowed

    def read(self) -> bool:
        found = self._all_of()
        while self._takes("OR"):
            other = self._all_of()
            found = found or other
        return found

    def _all_of(self) -> bool:
        found = self._one()
        while self._takes("AND"):
            other = self._one()
            found = found and other
        return found

    def _one(self) -> bool:
        if self._takes("("):
            found = self.read()
            self._takes(")")
            return found
        name = self._tokens.pop().lower() if self._tokens else ""
        if self._takes("WITH"):
            exception = self._tokens.pop().lower() if self._tokens else ""
            return name in self._allowed or f"{name} with {exception}" in self._allowed
        return name in self._allowed

    def _takes(self, token: str) -> bool:
        if self._tokens and self._tokens[-1] == token:
            self._tokens.pop()
            return True
        return False


def known(uow: UnitOfWork, upstream: str, project: str) -> Mapping[str, str]:
    """What is known of the licences of a project's files, by file name.

    An empty text stands for metadata that says nothing of it that can be read.
    """
    rows = uow.db.execute(
        select(UpstreamLicense.filename, UpstreamLicense.expression).where(
            UpstreamLicense.project == project, UpstreamLicense.upstream == upstream
        )
    )
    return {row.filename: row.expression for row in rows}
