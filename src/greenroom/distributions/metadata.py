"""Core metadata: bytes out of an archive become a value, or every reason why not.

The fields and their rules are those of the core metadata specification, versions 1.0 to 2.6:
PEP 241, 314, 345, 566, 643, 685, 639, 794 and 808. What an index demands beyond it stands here too.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import cast

from msgspec.structs import replace
from packaging.licenses import canonicalize_license_expression
from packaging.metadata import InvalidMetadata, Metadata, RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version
from trove_classifiers import classifiers as known_classifiers
from trove_classifiers import deprecated_classifiers

from greenroom.core_metadata import CoreMetadata, is_web_address, mailboxes
from greenroom.distributions.description import (
    PLAIN,
    RESTRUCTUREDTEXT,
    parse_content_type,
    restructuredtext_problem,
)
from greenroom.distributions.errors import InvalidDistribution, quoted
from greenroom.distributions.moving_lists import ADDED_IN, METADATA_VERSIONS

MAX_METADATA = 8 * 1024 * 1024
"""Bytes of one METADATA or PKG-INFO file."""

MAX_FIELDS = 20_000
MAX_FIELD_NAMES = 200
"""Different names among them. With ``MAX_FIELDS`` it bounds the time that parsing takes."""

MAX_SUMMARY = 512
MAX_LABEL = 32
MAX_VALUE = 4096
"""Characters of a name, version, requirement, specifier, license expression, URL or classifier."""

_FIELD_NAMES = {
    "classifiers": "Classifier",
    "platforms": "Platform",
    "supported_platforms": "Supported-Platform",
    "download_url": "Download-URL",
    "project_urls": "Project-URL",
    "license_files": "License-File",
    "import_names": "Import-Name",
    "import_namespaces": "Import-Namespace",
}

_IN_ORDER = tuple(RawMetadata.__annotations__)
"""packaging finds fields in an order that changes from one process to the next."""

_FIXED_FIELDS = frozenset({"name", "version", "metadata-version"})
_LINE_END = re.compile(r"\r\n|\r|\n")
_END_OF_FIELDS = re.compile(r"\r?\n\r?\n|\r\r")
_MAIL_HEADERS = frozenset({"content-type", "content-transfer-encoding"})
"""These make the email package decode the body or look for messages within messages."""

_TEXTS = frozenset({"description", "license"})
_FOLDABLE = frozenset(
    {
        "author_email",
        "classifiers",
        "keywords",
        "license_expression",
        "maintainer_email",
        "obsoletes_dist",
        "provides_dist",
        "requires_dist",
        "requires_python",
    }
)
"""Fields that are lists or expressions, in which a blank is as good as another."""

_SHORT = frozenset(
    {
        "classifiers",
        "download_url",
        "home_page",
        "license_expression",
        "metadata_version",
        "name",
        "obsoletes_dist",
        "project_urls",
        "provides_dist",
        "provides_extra",
        "requires_dist",
        "requires_python",
        "version",
    }
)
"""Fields whose values have at most ``MAX_VALUE`` characters each."""

_FOLD = re.compile(r"(?:\r\n|\r|\n)[ \t]+")

_PRIVATE_CLASSIFIER = "Private ::"

JSONValue = str | list[str] | dict[str, str]


def parse_metadata(content: bytes, *, private: bool = False) -> CoreMetadata:
    """Parse and check the content of a METADATA or PKG-INFO file.

    ``private`` lets through what only an index of one's own may have: local versions, direct
    references, classifiers that begin with ``Private ::``. Unknown fields are ignored, an unknown
    metadata version is not.

    Raises:
        InvalidDistribution: with every reason.
    """
    raw = _parse(content)
    # What is too long is not parsed: that could take its time.
    problems = list(_length_problems(raw)) or [
        problem for check in _CHECKS for problem in check(raw, private)
    ]
    if problems:
        raise InvalidDistribution(*problems)
    return _core_metadata(raw)


# --- from bytes to fields -------------------------------------------------------------------------


def _parse(content: bytes) -> RawMetadata:
    head = _checked_head(content)
    try:
        raw, unparsed = parse_email(content)
    except Exception:
        # The email package was made for mail and raises what it likes at what never was mail.
        raise InvalidDistribution("The metadata cannot be parsed.") from None
    problems = list(_unparsed_problems(unparsed))
    if problems:
        raise InvalidDistribution(*problems)
    _unfold_description(raw, head)
    return _without_unknown(_trimmed(raw))


def _checked_head(content: bytes) -> list[str]:
    """The lines before the body; refuses what must not reach the parser."""
    if len(content) > MAX_METADATA:
        raise InvalidDistribution(f"The metadata is longer than {MAX_METADATA} bytes.")
    if b"\0" in content:
        raise InvalidDistribution("The metadata has NUL characters in it.")
    try:
        content.decode()
    except UnicodeDecodeError:
        raise InvalidDistribution("The metadata is not encoded in UTF-8.") from None
    head = _END_OF_FIELDS.split(content.decode(), maxsplit=1)[0]
    fields = [line for line in _LINE_END.split(head) if not line.startswith((" ", "\t"))]
    names = {line.partition(":")[0] for line in fields}
    if len(fields) > MAX_FIELDS or len(names) > MAX_FIELD_NAMES:
        raise InvalidDistribution("The metadata has too many fields.")
    for name in sorted(names):
        if name.strip().lower() in _MAIL_HEADERS:
            raise InvalidDistribution(
                f"The metadata has the mail header {quoted(name)}, which would hide what follows."
            )
    return fields


def _unparsed_problems(unparsed: dict[str, list[str]]) -> Iterator[str]:
    for field in sorted(unparsed.keys() & _KNOWN_FIELDS):
        if field == "project-url":
            yield "The metadata has two Project-URL with the same label."
        elif len(unparsed[field]) > 1:
            yield f"The metadata field {_title(field)} is given more than once."
        else:
            yield f"The metadata field {_title(field)} cannot be read."


def _unfold_description(raw: RawMetadata, head: list[str]) -> None:
    """Take away the indentation that a description has which is a field, not the body (PEP 314)."""
    if "description" in raw and any(line.lower().startswith("description:") for line in head):
        raw["description"] = re.sub(r"\n(?: {7}[ |]|\t)", "\n", raw["description"])


def _trimmed(raw: RawMetadata) -> RawMetadata:
    """With the values of fields of one line on one line, and without blanks around them.

    A long field may be continued on lines that begin with a blank, as in mail headers (RFC 5322,
    section 2.2.3). Within texts, line ends are what their writers meant.
    """
    fields = cast("dict[str, JSONValue]", raw)
    return cast("RawMetadata", {key: _trimmed_value(key, fields[key]) for key in fields})


def _trimmed_value(key: str, value: JSONValue) -> JSONValue:
    if isinstance(value, list):
        return [_trimmed_text(key, item) for item in value]
    if isinstance(value, str) and key not in _TEXTS:
        return _trimmed_text(key, value)
    return value


def _trimmed_text(key: str, text: str) -> str:
    return (_FOLD.sub(" ", text) if key in _FOLDABLE else text).strip()


def _without_unknown(raw: RawMetadata) -> RawMetadata:
    """Without fields that say nothing; older build backends write UNKNOWN for these."""
    fields = cast("dict[str, JSONValue]", raw)
    kept = ((key, _without_unknown_items(fields[key])) for key in _IN_ORDER if key in fields)
    return cast("RawMetadata", {key: value for key, value in kept if _says_something(value)})


def _without_unknown_items(value: JSONValue) -> JSONValue:
    if isinstance(value, list):
        return [item for item in value if _says_something(item)]
    return value


def _says_something(value: JSONValue) -> bool:
    if isinstance(value, str):
        return value.strip() not in ("", "UNKNOWN")
    return bool(value)


# --- checks: each yields a sentence for everything that is wrong ----------------------------------

_Check = Callable[[RawMetadata, bool], Iterator[str]]


def _length_problems(raw: RawMetadata) -> Iterator[str]:
    fields = cast("dict[str, JSONValue]", raw)
    for key in _SHORT & fields.keys():
        for text in _texts_of(fields[key]):
            if len(text) > MAX_VALUE:
                yield (
                    f"The metadata field {_title(key)} has {len(text)} characters "
                    f"({quoted(text)}); this index takes at most {MAX_VALUE}."
                )


def _texts_of(value: JSONValue) -> Iterable[str]:
    if isinstance(value, str):
        return (value,)
    return value.values() if isinstance(value, dict) else value


def _check_metadata_version(raw: RawMetadata, private: bool) -> Iterator[str]:
    version = raw.get("metadata_version")
    if version is None:
        yield "The metadata has no Metadata-Version."
    elif version not in METADATA_VERSIONS:
        yield (
            f"The metadata has Metadata-Version {quoted(version)}; this index knows "
            f"{', '.join(METADATA_VERSIONS)}."
        )


def _check_age_of_fields(raw: RawMetadata, private: bool) -> Iterator[str]:
    version = raw.get("metadata_version")
    if version not in METADATA_VERSIONS:
        return
    for key in raw:
        added = ADDED_IN.get(key, "1.0")
        if METADATA_VERSIONS.index(added) > METADATA_VERSIONS.index(version):
            yield (
                f"The metadata field {_title(key)} came with metadata version {added}, but the "
                f"metadata says that its version is {version}."
            )


def _check_name(raw: RawMetadata, private: bool) -> Iterator[str]:
    name = raw.get("name")
    if name is None:
        yield "The metadata has no Name."
        return
    try:
        canonicalize_name(name, validate=True)
    except InvalidName:
        yield (
            f"The Name {quoted(name)} in the metadata is not valid: letters, digits and - _ . are "
            "allowed, with a letter or digit at both ends."
        )


def _check_version(raw: RawMetadata, private: bool) -> Iterator[str]:
    text = raw.get("version")
    if text is None:
        yield "The metadata has no Version."
        return
    version = _version(text)
    if version is None:
        yield f"The Version {quoted(text)} in the metadata is not valid (PEP 440)."
    elif version.local is not None and not private:
        yield (
            f"The Version {quoted(text)} in the metadata has a local part ('+'), which is not "
            "allowed on a public index (PEP 440)."
        )


def _check_summary(raw: RawMetadata, private: bool) -> Iterator[str]:
    summary = raw.get("summary", "")
    if len(summary) > MAX_SUMMARY:
        yield f"The Summary in the metadata is longer than {MAX_SUMMARY} characters."
    if len(summary.splitlines()) > 1:
        yield "The Summary in the metadata has more than one line."


def _check_classifiers(raw: RawMetadata, private: bool) -> Iterator[str]:
    for classifier in raw.get("classifiers", []):
        if classifier in known_classifiers:
            continue
        if classifier.startswith(_PRIVATE_CLASSIFIER):
            if not private:
                yield (
                    f"The Classifier {quoted(classifier)} marks a project that is not for a public "
                    "index."
                )
        elif classifier in deprecated_classifiers:
            yield _deprecated_classifier(classifier)
        else:
            yield f"The Classifier {quoted(classifier)} in the metadata is not known."


def _deprecated_classifier(classifier: str) -> str:
    successors = deprecated_classifiers[classifier]
    advice = f"use {' or '.join(map(quoted, successors))}" if successors else "leave it out"
    return f"The Classifier {quoted(classifier)} in the metadata is deprecated; {advice}."


def _check_urls(raw: RawMetadata, private: bool) -> Iterator[str]:
    for title, url in (
        ("Home-Page", raw.get("home_page")),
        ("Download-URL", raw.get("download_url")),
    ):
        if url is not None and not is_web_address(url):
            yield f"The {title} {quoted(url)} in the metadata is not a valid http or https URL."
    for label, url in raw.get("project_urls", {}).items():
        if not label or len(label) > MAX_LABEL:
            yield (
                f"The Project-URL label {quoted(label)} in the metadata must have 1 to {MAX_LABEL} "
                "characters."
            )
        if not is_web_address(url):
            yield (
                f"The Project-URL {quoted(label)} in the metadata has {quoted(url)}, which is not "
                "a valid http or https URL."
            )


def _check_license(raw: RawMetadata, private: bool) -> Iterator[str]:
    expression = raw.get("license_expression")
    if expression is None:
        return
    if _canonical_license(expression) is None:
        yield (
            f"The License-Expression {quoted(expression)} in the metadata is not valid; it is made "
            "of SPDX identifiers with AND, OR and WITH (PEP 639)."
        )


def _check_license_files(raw: RawMetadata, private: bool) -> Iterator[str]:
    for path in raw.get("license_files", []):
        if not _accepts("license_files", [path]):
            yield (
                f"The License-File {quoted(path)} in the metadata is not a relative path with / "
                "and without .. or * in it (PEP 639)."
            )


def _check_requirements(raw: RawMetadata, private: bool) -> Iterator[str]:
    for text in raw.get("requires_dist", []):
        requirement = _requirement(text)
        if requirement is None:
            yield f"The Requires-Dist {quoted(text)} in the metadata is not valid (PEP 508)."
        elif requirement.url is not None and not private:
            yield (
                f"The Requires-Dist {quoted(text)} in the metadata refers to a URL, which is not "
                "allowed on a public index; depend on a published version instead."
            )


def _check_provides_and_obsoletes(raw: RawMetadata, private: bool) -> Iterator[str]:
    for title, values in (
        ("Provides-Dist", raw.get("provides_dist", [])),
        ("Obsoletes-Dist", raw.get("obsoletes_dist", [])),
    ):
        for text in values:
            requirement = _requirement(text)
            if requirement is None:
                yield f"The {title} {quoted(text)} in the metadata is not valid (PEP 345)."
            elif requirement.url is not None:
                yield (
                    f"The {title} {quoted(text)} in the metadata refers to a URL; it has to be a "
                    "name, with or without versions (PEP 345)."
                )


def _check_people(raw: RawMetadata, private: bool) -> Iterator[str]:
    for title, field in (
        ("Author-email", raw.get("author_email")),
        ("Maintainer-email", raw.get("maintainer_email")),
    ):
        if field is None:
            continue
        named = mailboxes(field)
        wrong = [mailbox for mailbox in named if not mailbox.is_address]
        if wrong or not named:
            shown = quoted(wrong[0].address or wrong[0].name) if wrong else quoted(field)
            yield (
                f"The {title} in the metadata has {shown}, which is no e-mail address; write "
                "'name <mailbox@domain>' or the address alone, separated by commas, and names "
                "that have a comma in quotes (RFC 5322)."
            )


def _check_requires_python(raw: RawMetadata, private: bool) -> Iterator[str]:
    text = raw.get("requires_python")
    if text is None:
        return
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        yield f"The Requires-Python {quoted(text)} in the metadata is not valid (PEP 440)."


def _check_extras(raw: RawMetadata, private: bool) -> Iterator[str]:
    for extra in raw.get("provides_extra", []):
        try:
            canonicalize_name(extra, validate=True)
        except InvalidName:
            yield f"The Provides-Extra {quoted(extra)} in the metadata is not a valid name."


def _check_dynamic(raw: RawMetadata, private: bool) -> Iterator[str]:
    for field in raw.get("dynamic", []):
        if field.lower() not in _KNOWN_FIELDS - _FIXED_FIELDS:
            yield (
                f"The Dynamic {quoted(field)} in the metadata is no field that may be dynamic "
                "(PEP 643)."
            )


def _check_imports(raw: RawMetadata, private: bool) -> Iterator[str]:
    for name in raw.get("import_names", []):
        if not _accepts("import_names", [name]):
            yield f"The Import-Name {quoted(name)} in the metadata is not valid (PEP 794)."
    for name in raw.get("import_namespaces", []):
        if not _accepts("import_namespaces", [name]):
            yield f"The Import-Namespace {quoted(name)} in the metadata is not valid (PEP 794)."


def _check_description(raw: RawMetadata, private: bool) -> Iterator[str]:
    content_type = raw.get("description_content_type")
    kind, _ = parse_content_type(content_type)
    if kind is None:
        yield (
            f"The Description-Content-Type {quoted(content_type or '')} in the metadata is not "
            "known; use text/markdown, text/x-rst or text/plain, in UTF-8."
        )
    # What declares nothing is reStructuredText too, as all was before there was a declaration.
    if kind == RESTRUCTUREDTEXT and (
        problem := restructuredtext_problem(raw.get("description", ""))
    ):
        yield problem


_CHECKS: tuple[_Check, ...] = (
    _check_metadata_version,
    _check_age_of_fields,
    _check_name,
    _check_version,
    _check_summary,
    _check_classifiers,
    _check_urls,
    _check_license,
    _check_license_files,
    _check_requirements,
    _check_provides_and_obsoletes,
    _check_people,
    _check_requires_python,
    _check_extras,
    _check_dynamic,
    _check_imports,
    _check_description,
)


# --- what the checks ask --------------------------------------------------------------------------


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError):
        return None


def _canonical_license(expression: str) -> str | None:
    try:
        return canonicalize_license_expression(expression)
    except (ValueError, RecursionError, MemoryError):
        # Parentheses in parentheses exhaust the parser of Python, which does the work.
        return None


def _accepts(field: str, value: list[str]) -> bool:
    """Whether packaging finds nothing wrong with the value of a field."""
    raw = cast("RawMetadata", {field: value})
    try:
        getattr(Metadata.from_raw(raw, validate=False), field)
    except InvalidMetadata:
        return False
    return True


def _title(field: str) -> str:
    """The name of a field as it stands in metadata files."""
    known = _FIELD_NAMES.get(field)
    return known or "-".join(part.title() for part in re.split("[-_]", field))


_KNOWN_FIELDS = frozenset(_title(key).lower() for key in (*_IN_ORDER, *ADDED_IN, "license_files"))


# --- from fields to the value ---------------------------------------------------------------------


def _core_metadata(raw: RawMetadata) -> CoreMetadata:
    metadata = CoreMetadata.from_json(cast("dict[str, object]", raw))
    if not metadata.license_expression:
        return metadata
    # Who reads both has to read the expression and to disregard the text (PEP 639).
    expression = _canonical_license(metadata.license_expression) or ""
    return replace(metadata, license_expression=expression, license="")


# --- what is understood of metadata of any time ---------------------------------------------------

_CHECKS_OF_FIELDS: Mapping[str, _Check] = MappingProxyType(
    {
        "author_email": _check_people,
        "download_url": _check_urls,
        "dynamic": _check_dynamic,
        "home_page": _check_urls,
        "import_names": _check_imports,
        "import_namespaces": _check_imports,
        "license_expression": _check_license,
        "license_files": _check_license_files,
        "maintainer_email": _check_people,
        "obsoletes_dist": _check_provides_and_obsoletes,
        "project_urls": _check_urls,
        "provides_dist": _check_provides_and_obsoletes,
        "provides_extra": _check_extras,
        "requires_dist": _check_requirements,
        "requires_python": _check_requires_python,
    }
)
"""What is wrong with the value of one field, whatever the others say."""

_SINGLE = frozenset(
    {
        "author",
        "author_email",
        "description",
        "description_content_type",
        "home_page",
        "license",
        "maintainer",
        "maintainer_email",
        "metadata_version",
        "name",
        "requires_python",
        "summary",
        "version",
    }
)


def salvage_metadata(content: bytes) -> CoreMetadata:
    """What can be understood of the content of a METADATA or PKG-INFO file of any time.

    Whatever an upload would be refused for is left out: values that are not valid, all but the
    first of fields that are given twice, the declared markup of a description that has another.
    Name and version are as they stand there, and may be none.

    Raises:
        InvalidDistribution: it is longer than any metadata.
    """
    if len(content) > MAX_METADATA:
        raise InvalidDistribution(f"The metadata is longer than {MAX_METADATA} bytes.")
    text = _decoded(content).replace("\0", "").lstrip("\ufeff")
    head, separator, body = _parted(text)
    lines = _without_mail_headers(_LINE_END.split(head))
    names = {line.partition(":")[0] for line in lines if not line.startswith((" ", "\t"))}
    if len(lines) > MAX_FIELDS or len(names) > MAX_FIELD_NAMES:
        return CoreMetadata()
    try:
        raw, unparsed = parse_email("\n".join(lines) + separator + body)
    except Exception:  # see _parse
        return CoreMetadata()
    _take_first_values(raw, unparsed)
    _unfold_description(raw, lines)
    return _core_metadata(_sifted(_without_unknown(_trimmed(raw))))


def _decoded(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _parted(text: str) -> tuple[str, str, str]:
    found = _END_OF_FIELDS.search(text)
    if found is None:
        return text, "", ""
    return text[: found.start()], "\n\n", text[found.end() :]


def _without_mail_headers(lines: Iterable[str]) -> list[str]:
    kept: list[str] = []
    skips = False
    for line in lines:
        if not line.startswith((" ", "\t")):
            skips = line.partition(":")[0].strip().lower() in _MAIL_HEADERS
        if not skips:
            kept.append(line)
    return kept


def _take_first_values(raw: RawMetadata, unparsed: dict[str, list[str]]) -> None:
    fields = cast("dict[str, JSONValue]", raw)
    for key in _SINGLE:
        values = [text for text in unparsed.get(_title(key).lower(), []) if text.strip()]
        if key not in fields and values:
            fields[key] = values[0]


def _sifted(raw: RawMetadata) -> RawMetadata:
    """Without values that are not valid."""
    fields = cast("dict[str, JSONValue]", raw)
    kept = {key: _sifted_value(key, fields[key]) for key in fields}
    summary = kept.get("summary")
    if isinstance(summary, str):
        kept["summary"] = " ".join(summary.split())[:MAX_SUMMARY]
    sifted = cast("RawMetadata", {key: value for key, value in kept.items() if value})
    if next(_check_description(sifted, True), None) is not None:
        sifted["description_content_type"] = PLAIN
    return sifted


def _sifted_value(key: str, value: JSONValue) -> JSONValue:
    if isinstance(value, list):
        return [text for text in value if _is_valid(key, [text])]
    if isinstance(value, dict):
        return {label: url for label, url in value.items() if _is_valid(key, {label: url})}
    return value if _is_valid(key, value) else ""


def _is_valid(key: str, value: JSONValue) -> bool:
    raw = cast("RawMetadata", {key: value})
    check = _CHECKS_OF_FIELDS.get(key)
    if next(_length_problems(raw), None) is not None:
        return False
    return check is None or next(check(raw, True), None) is None
