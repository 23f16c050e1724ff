"""What an upload form says: strict parsing of its fields, and of the staged flag."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from greenroom.registry import release_sets
from greenroom.registry.artifacts import Claims, PackageType
from greenroom.registry.errors import Refusal
from greenroom.registry.names import check_project_name, check_version
from greenroom.registry.release_sets import Reference
from greenroom.web.http.urls import STAGED

Fields = Mapping[str, Sequence[str]]

ACTION = "file_upload"
_RETIRED_ACTIONS = frozenset({"submit", "submit_pkg_info", "doc_upload"})
_DIGESTS = {"md5_digest": ("md5", 32), "sha256_digest": ("sha256", 64)}
_DIGESTS["blake2_256_digest"] = ("blake2_256", 64)

# Sent at most once. All that is not named here may be a list, or is not ours to judge.
_SINGLE = frozenset(
    {
        ":action",
        "author",
        "author_email",
        "comment",
        "description",
        "description_content_type",
        "download_url",
        "draft",
        "filetype",
        "home_page",
        "license",
        "license_expression",
        "maintainer",
        "maintainer_email",
        "metadata_version",
        "name",
        "protocol_version",
        "pyversion",
        "requires_python",
        "set",
        "staged",
        "summary",
        "version",
        *_DIGESTS,
    }
)
# Proofs of where a file comes from; and what says that there are none.
_PROOFS = ("attestation", "provenance", "sigstore")
_NOTHING = frozenset({"", "UNKNOWN", "[]"})

LONGEST_COMMENT = 4000
_FLAG_FIELDS = ("staged", "draft")
_FLAG_HEADER = "X-PyPI-Is-Staged"
_SET = "set"
_SET_WORDS = ("set", "sets", "setname", "nameofset", "releaseset", "releasesets")
_PARAMETERS = frozenset({":action", "protocol_version", _SET, *_FLAG_FIELDS})

# How much a name has to have in common with one of the words to be taken for a misspelt flag.
_FLAG_WORDS = ("staged", "stage", "staging", "draft", "drafts")
_NEARLY = 0.8


class BadForm(Refusal):
    """The form does not say what an upload has to say."""

    code = "invalid-form"
    title = "Invalid form"


class MissingField(BadForm):
    """A field that an upload has to have is not there."""

    code = "missing-field"
    title = "Missing field"


class RetiredAction(Refusal):
    """An ``:action`` that upload clients of old knew."""

    code = "retired-action"
    title = "Retired"


def has_action(fields: Fields, query: Fields) -> bool:
    """Whether form or query say what is asked for."""
    return ":action" in fields or ":action" in query


def check_protocol(fields: Fields, query: Fields) -> None:
    """Raise a refusal unless the request is an upload in the one version of the protocol.

    Raises:
        RetiredAction: it asks for something that is gone.
        BadForm: it asks for something else.
    """
    action = _one({**query, **fields}, ":action")
    if action in _RETIRED_ACTIONS:
        raise RetiredAction(
            f"The action {action!r} is gone: metadata is read from the files that are uploaded."
        )
    if action != ACTION:
        raise BadForm(f"The :action has to be {ACTION!r}.")
    version = _one({**query, **fields}, "protocol_version")
    if version not in (None, "1"):
        raise BadForm("The protocol_version has to be 1.")


def parse_staged(fields: Fields, query: Fields, headers: Iterable[tuple[str, str]]) -> bool:
    """Whether the upload is staged: by form field, by query parameter, or by header.

    Raises:
        BadForm: a flag is neither true nor false, two flags disagree, or one is misspelt: the
            upload would publish what was to be staged.
    """
    headers = list(headers)
    given = [
        (f"The {where} {name!r}", value)
        for where, source in (("form field", fields), ("query parameter", query))
        for name in _FLAG_FIELDS
        for value in source.get(name, ())
    ]
    given += [
        (f"The header {_FLAG_HEADER!r}", value)
        for name, value in headers
        if name.lower() == _FLAG_HEADER.lower()
    ]
    for what, value in given:
        if value.lower() not in ("true", "false"):
            raise BadForm(f"{what} is {value[:40]!r}: it has to be true or false.")
    values = {value.lower() for _, value in given}
    if len(values) > 1:
        raise BadForm(
            "This upload says both that it is staged and that it is not: make the flags in form, "
            "query and header agree."
        )
    is_staged = values == {"true"}
    if not is_staged:
        # Of what is staged all the same, nothing is published by a typing error.
        _check_names(fields, query, [name for name, _ in headers])
    return is_staged


def parse_set(fields: Fields, query: Fields, *, staged: bool) -> Reference | None:
    """The release set that the draft is to be in: by form field, or by query parameter.

    Raises:
        BadForm: the upload is not staged, names two sets, or has a name that is nearly that of the
            parameter: the set would be published without the draft.
        greenroom.registry.errors.InvalidRequest: what it names is no name of a set.
    """
    misspelt = next((name for name in (*query, *fields) if _is_nearly_set(name)), None)
    if misspelt is not None:
        raise BadForm(
            f"This upload has {misspelt[:40]!r}, which this index does not know: to name a release "
            f"set, write {STAGED}&set=NAME."
        )
    given = {value.strip() for source in (fields, query) for value in source.get(_SET, ())}
    if not given:
        return None
    if not staged:
        raise BadForm(
            f"This upload names a release set and does not say that it is staged: write {STAGED}"
            "&set=NAME; to publish, leave both out."
        )
    if len(given) > 1:
        raise BadForm("This upload names two release sets: make those in form and query agree.")
    return release_sets.reference(given.pop())


def _is_nearly_set(name: str) -> bool:
    """Whether a name was probably meant to be that of the parameter that names a release set."""
    return name != _SET and re.sub(r"[^a-z]", "", name.lower()) in _SET_WORDS


def _check_names(fields: Fields, query: Fields, headers: Iterable[str]) -> None:
    """Refuse every query parameter that an upload does not know, and whatever is nearly a flag.

    A form may have fields that nobody knows: those of metadata to come.
    """
    unknown = next((name for name in query if name not in _PARAMETERS), None)
    if unknown is not None:
        raise BadForm(
            f"The upload URL has the query parameter {unknown[:40]!r}, which this index does not "
            f"know: to upload a draft, write {STAGED}; to publish, leave it out."
        )
    misspelt = next((name for name in fields if name not in _FLAG_FIELDS and _is_near(name)), None)
    if misspelt is not None:
        raise BadForm(
            f"The form has the field {misspelt[:40]!r}, which this index does not know: to upload "
            "a draft, send staged=true; to publish, leave it out."
        )
    header = next((name for name in headers if _is_near_header(name)), None)
    if header is not None:
        raise BadForm(
            f"The request has the header {header[:40]!r}, which this index does not know: to "
            f"upload a draft, send the form field staged=true, or {_FLAG_HEADER}: true; to "
            "publish, leave it out."
        )


@lru_cache(maxsize=1000)
def _is_near(name: str) -> bool:
    """Whether a name was probably meant to be that of the flag."""
    letters = re.sub(r"[^a-z]", "", name.lower())
    if any(word in letters for word in ("staged", "draft")):
        return True
    letters = letters.removeprefix("is")
    from difflib import get_close_matches  # which few processes need

    return bool(get_close_matches(letters[:20], _FLAG_WORDS, 1, _NEARLY))


def _is_near_header(name: str) -> bool:
    """Whether a header was probably meant to be the flag; what proxies add is theirs."""
    words = name.lower().replace("_", "-").split("-")
    if "-".join(words) == _FLAG_HEADER.lower():
        return False
    if "staged" in words or "draft" in words:
        return True
    return "pypi" in words and any(_is_near(word) for word in words)


def check_text(problems: Sequence[str]) -> None:
    """Raise BadForm unless every text field arrived as text; ``problems`` says what did not.

    Raises:
        BadForm: one did not.
    """
    if problems:
        raise BadForm(problems[0])


def parse_name(fields: Fields) -> str:
    """The project's name.

    Raises:
        MissingField: it is missing.
        greenroom.registry.errors.InvalidMetadata: it is no valid name.
    """
    name = _required(fields, "name")
    check_project_name(name)
    return name


def _check_nothing_lost(fields: Fields) -> None:
    """Raise BadForm where the form has what this index would drop without a word.

    Raises:
        BadForm: it has attestations, or a digest that is not checked.
    """
    for name, values in fields.items():
        if all(value.strip() in _NOTHING for value in values):
            continue
        if name.lower().startswith(_PROOFS):
            raise BadForm(
                f"This index takes no attestations yet, and the form has some in {name[:40]!r}: "
                "upload without them (twine: without --attestations; uv: --no-attestations)."
            )
        if name.endswith("_digest") and name not in _DIGESTS:
            raise BadForm(
                f"The form field {name[:40]!r} is a digest that this index does not check: send "
                f"{', '.join(_DIGESTS)}, or some of them."
            )


def parse_claims(fields: Fields, *, private: bool) -> Claims:
    """What the form says of the file.

    Raises:
        MissingField: a field is missing.
        BadForm: a field is sent twice, has a value that it cannot have, or would be lost.
        greenroom.registry.errors.InvalidMetadata: name or version are not valid.
    """
    for name, values in fields.items():
        if name in _SINGLE and len(values) > 1:
            raise BadForm(f"The form field {name!r} is sent {len(values)} times; once is enough.")
    _check_nothing_lost(fields)
    name = parse_name(fields)
    packagetype = _packagetype(fields)
    # Clients send py3, cp312, 3, 3.11, 2.7 or source: the file's own name says what it is for.
    if packagetype == "bdist_wheel" and _one(fields, "pyversion") is None:
        raise MissingField("The form field 'pyversion' is missing: a wheel has one, such as py3.")
    digests = _digests(fields)
    version = check_version(_required(fields, "version"), private=private)
    return Claims(name, version, packagetype, digests, comment=_comment(fields), told_by="form")


def _packagetype(fields: Fields) -> PackageType:
    value = _required(fields, "filetype")
    if value == "sdist":
        return "sdist"
    if value == "bdist_wheel":
        return "bdist_wheel"
    raise BadForm(
        f"The form field 'filetype' is {value[:40]!r}: this index takes 'sdist' and 'bdist_wheel'."
    )


def _comment(fields: Fields) -> str:
    comment = _one(fields, "comment") or ""
    if len(comment) > LONGEST_COMMENT:
        raise BadForm(
            f"The form field 'comment' has {len(comment)} characters: it may have "
            f"{LONGEST_COMMENT}."
        )
    return comment


def _digests(fields: Fields) -> dict[str, str]:
    digests = {}
    for field, (algorithm, length) in _DIGESTS.items():
        value = _one(fields, field)
        if value is None:
            continue
        if re.fullmatch(rf"[0-9a-fA-F]{{{length}}}", value) is None:
            raise BadForm(f"The form field {field!r} has to be {length} hexadecimal digits.")
        digests[algorithm] = value
    if not digests:
        raise MissingField(
            "The form has no digest of the file: send md5_digest, sha256_digest or "
            "blake2_256_digest."
        )
    return digests


def _required(fields: Fields, name: str) -> str:
    value = _one(fields, name)
    if value is None:
        raise MissingField(f"The form field {name!r} is missing.")
    return value


def _one(fields: Fields, name: str) -> str | None:
    """The field's value; ``UNKNOWN`` and blank text count as absent."""
    values = fields.get(name, ())
    if len(values) > 1:
        raise BadForm(f"The form field {name!r} is sent {len(values)} times; once is enough.")
    value = values[0].strip() if values else ""
    return None if value in ("", "UNKNOWN") else value
