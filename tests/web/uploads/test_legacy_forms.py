"""What an upload form says: fields, flags and digests. A pure function of text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from greenroom.core_metadata import CoreMetadata
from greenroom.registry.errors import InvalidMetadata
from greenroom.web.uploads.legacy.forms import (
    LONGEST_COMMENT,
    BadForm,
    Fields,
    MissingField,
    RetiredAction,
    check_protocol,
    has_action,
    parse_claims,
    parse_name,
    parse_staged,
)

FORM: dict[str, list[str]] = {
    ":action": ["file_upload"],
    "protocol_version": ["1"],
    "metadata_version": ["2.1"],
    "name": ["Example"],
    "version": ["1.0"],
    "filetype": ["bdist_wheel"],
    "pyversion": ["py3"],
    "md5_digest": ["0" * 32],
    "sha256_digest": ["a" * 64],
    "blake2_256_digest": ["F" * 64],
}
NOTHING: Fields = {}


def form(**changes: str | list[str] | None) -> dict[str, list[str]]:
    """The form with some fields changed; ``_`` in a name stands for itself, None removes."""
    changed = {name: value for name, value in FORM.items() if name not in changes}
    for name, value in changes.items():
        if value is not None:
            changed[name] = value if isinstance(value, list) else [value]
    return changed


# protocol


@pytest.mark.parametrize(
    ("fields", "query"),
    [
        (form(), NOTHING),
        (form(protocol_version=None), NOTHING),
        (form(protocol_version="UNKNOWN"), NOTHING),
        (form(protocol_version=""), NOTHING),
        (NOTHING, {":action": ["file_upload"], "protocol_version": ["1"]}),
    ],
)
def test_an_upload_in_version_1_is_what_we_speak(fields: Fields, query: Fields) -> None:
    check_protocol(fields, query)


@pytest.mark.parametrize("action", ["submit", "submit_pkg_info", "doc_upload"])
def test_what_clients_asked_for_of_old_is_gone(action: str) -> None:
    with pytest.raises(RetiredAction, match=f"The action '{action}' is gone"):
        check_protocol({":action": [action]}, NOTHING)


@pytest.mark.parametrize("action", [None, "", "upload", "FILE_UPLOAD", "UNKNOWN", "file_upload;x"])
def test_other_actions_are_none(action: str | None) -> None:
    fields = {} if action is None else {":action": [action]}
    with pytest.raises(BadForm, match="The :action has to be 'file_upload'"):
        check_protocol(fields, NOTHING)


@pytest.mark.parametrize("version", ["2", "1.0", "01", "one", "-1"])
def test_other_versions_are_refused(version: str) -> None:
    with pytest.raises(BadForm, match="The protocol_version has to be 1"):
        check_protocol(form(protocol_version=version), NOTHING)


@pytest.mark.parametrize("name", [":action", "protocol_version"])
def test_what_is_said_twice_is_refused(name: str) -> None:
    with pytest.raises(BadForm, match=f"'{name}' is sent 2 times"):
        check_protocol(form() | {name: FORM[name] * 2}, NOTHING)


def test_whether_an_action_came_yet_can_be_asked() -> None:
    assert has_action(form(), NOTHING)
    assert has_action(NOTHING, {":action": ["x"]})
    assert not has_action({"name": ["x"]}, {"staged": ["true"]})


# the flag


FLAG_PLACES = ["staged field", "draft field", "staged query", "draft query", "header"]


def flags(*given: tuple[str, str]) -> bool:
    """The meaning of flags that are given as (place, value)."""
    sources: dict[str, dict[str, list[str]]] = {"field": {}, "query": {}}
    headers = [("Accept", "*/*")]
    for place, value in given:
        if place == "header":
            headers.append(("X-Pypi-Is-Staged", value))
        else:
            name, source = place.split()
            sources[source].setdefault(name, []).append(value)
    return parse_staged(sources["field"], sources["query"], headers)


def test_without_a_flag_an_upload_is_direct() -> None:
    assert flags() is False


@pytest.mark.parametrize("place", FLAG_PLACES)
@pytest.mark.parametrize(
    ("value", "staged"),
    [
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("tRuE", True),
        ("false", False),
        ("False", False),
        ("FALSE", False),
    ],
)
def test_a_flag_counts_in_any_place_and_any_letter_case(
    place: str, value: str, staged: bool
) -> None:
    assert flags((place, value)) is staged


@pytest.mark.parametrize("place", FLAG_PLACES)
@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "0",
        "yes",
        "no",
        "on",
        "maybe",
        "UNKNOWN",
        "None",
        " true",
        "true ",
        "true,true",
        "t",
        "tru\u0435",
        "\uff54rue",
        "true\0",
        "x" * 1000,
        "true\ntrue",
    ],
)
def test_any_other_value_is_refused(place: str, value: str) -> None:
    with pytest.raises(BadForm, match="it has to be true or false") as refused:
        flags((place, value))

    assert len(str(refused.value)) < 250


@pytest.mark.parametrize("first", FLAG_PLACES)
@pytest.mark.parametrize("second", FLAG_PLACES)
def test_flags_may_be_repeated_but_must_agree(first: str, second: str) -> None:
    assert flags((first, "true"), (second, "TRUE")) is True
    assert flags((first, "false"), (second, "False")) is False
    with pytest.raises(BadForm, match="both that it is staged and that it is not"):
        flags((first, "true"), (second, "false"))
    with pytest.raises(BadForm, match="it has to be true or false"):
        flags((first, "true"), (second, "maybe"))


NEARLY_STAGED = [
    *("stage", "Staged", "STAGED", "staged_", "_staged", "staged ", "stagd", "stagged", "satged"),
    *("is_staged", "isStaged", "staging", "stages", "staged[]", "st\u0430ged", "Draft", "drafts"),
    *("draft_", "darft", "is-draft", "X-PyPI-Is-Staged", "staged-release", "staged\0", "taged"),
]


@pytest.mark.parametrize("name", NEARLY_STAGED)
@pytest.mark.parametrize("value", ["true", "false", ""])
def test_a_name_that_is_nearly_a_flag_is_refused(name: str, value: str) -> None:
    """A typing error would publish for ever what was to be staged."""
    for fields, query in (({name: [value]}, NOTHING), (NOTHING, {name: [value]})):
        with pytest.raises(BadForm, match="staged=true") as refused:
            parse_staged(fields, query, [])
        assert ascii(name)[1:6] in ascii(str(refused.value))
        assert len(str(refused.value)) < 250


@pytest.mark.parametrize("name", ["", "x", "a" * 5000, "name", "version", ":Action", "token", "é"])
def test_a_query_parameter_that_an_upload_does_not_know_is_refused(name: str) -> None:
    with pytest.raises(BadForm, match=r"write \?staged=true") as refused:
        parse_staged(NOTHING, {"staged": ["false"], name: ["1"]}, [])

    assert len(str(refused.value)) < 250


@pytest.mark.parametrize("name", ["team", "stage", "Staged"])
def test_what_is_staged_may_have_any_other_query_parameter(name: str) -> None:
    """No typing error publishes it."""
    assert parse_staged(NOTHING, {"staged": ["true"], name: ["1"]}, []) is True


def test_the_query_parameters_that_an_upload_knows() -> None:
    known = {":action": ["file_upload"], "protocol_version": ["1"], "draft": ["true"]}
    assert parse_staged(NOTHING, known, []) is True


METADATA_FIELDS = [
    *CoreMetadata.__struct_fields__,
    *FORM,
    *("comment", "content", "gpg_signature", "attestations", "platform", "supported_platform"),
    *("provides", "requires", "obsoletes", "provides_dist", "obsoletes_dist", "requires_external"),
    *("classifiers", "classifier", "license_file", "import_name", "import_namespace", "my_field"),
]


@pytest.mark.parametrize("name", METADATA_FIELDS)
def test_no_field_of_metadata_is_taken_for_a_flag(name: str) -> None:
    assert parse_staged({name: ["true"], name.title(): ["x"]}, NOTHING, []) is False


@pytest.mark.parametrize(
    "name", ["X-PyPI-Staged", "X-Is-Staged", "X_PyPI_Is_Staged_", "X-PyPI-Is-Stage", "X-Draft"]
)
def test_a_header_that_is_nearly_the_flag_is_refused(name: str) -> None:
    with pytest.raises(BadForm, match="X-PyPI-Is-Staged: true"):
        parse_staged(NOTHING, NOTHING, [(name, "true")])


@pytest.mark.parametrize("name", ["X-Stage", "Date", "X-PyPI-Client", "X-PyPI-Is-Private", "Age"])
def test_headers_of_others_are_theirs(name: str) -> None:
    assert parse_staged(NOTHING, NOTHING, [(name, "true")]) is False


@given(st.text())
def test_nothing_but_two_words_is_a_flag(value: str) -> None:
    if value.lower() in ("true", "false"):
        assert flags(("staged field", value)) is (value.lower() == "true")
    else:
        with pytest.raises(BadForm):
            flags(("staged field", value))


# claims


def test_a_form_says_what_the_file_is() -> None:
    claims = parse_claims(form(), private=False)

    assert claims.name == "Example"
    assert claims.version == Version("1.0")
    assert claims.packagetype == "bdist_wheel"
    assert claims.digests == {"md5": "0" * 32, "sha256": "a" * 64, "blake2_256": "F" * 64}


@pytest.mark.parametrize("pyversion", [None, "", "source", "UNKNOWN", "py3", "3.11"])
def test_a_source_distribution_may_be_said_to_be_for_anything(pyversion: str | None) -> None:
    claims = parse_claims(form(filetype="sdist", pyversion=pyversion), private=False)

    assert claims.packagetype == "sdist"


@pytest.mark.parametrize("pyversion", ["py3", "cp312", "3", "3.11", "2.7", "any", "source"])
def test_a_wheel_may_be_said_to_be_for_anything(pyversion: str) -> None:
    assert parse_claims(form(pyversion=pyversion), private=False).packagetype == "bdist_wheel"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": None}, "'name' is missing"),
        ({"name": ""}, "'name' is missing"),
        ({"name": "  "}, "'name' is missing"),
        ({"name": "UNKNOWN"}, "'name' is missing"),
        ({"version": None}, "'version' is missing"),
        ({"version": "UNKNOWN"}, "'version' is missing"),
        ({"filetype": None}, "'filetype' is missing"),
        ({"filetype": "UNKNOWN"}, "'filetype' is missing"),
        ({"pyversion": None}, "'pyversion' is missing"),
        ({"pyversion": "UNKNOWN"}, "'pyversion' is missing"),
        (
            {"md5_digest": None, "sha256_digest": None, "blake2_256_digest": None},
            "no digest of the file",
        ),
        (
            {"md5_digest": "UNKNOWN", "sha256_digest": "", "blake2_256_digest": None},
            "no digest of the file",
        ),
    ],
)
def test_what_an_upload_has_to_say_is_missing(
    changes: dict[str, str | None], sentence: str
) -> None:
    with pytest.raises(MissingField, match=sentence):
        parse_claims(form(**changes), private=False)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        *[
            ({"filetype": kind}, "this index takes 'sdist' and 'bdist_wheel'")
            for kind in ("bdist_egg", "bdist_wininst", "SDIST", "wheel", "sdist\n.", "x" * 1000)
        ],
        *[
            ({field: value}, f"'{field}' has to be {length} hexadecimal digits")
            for field, length in (
                ("md5_digest", 32),
                ("sha256_digest", 64),
                ("blake2_256_digest", 64),
            )
            for value in (
                "0" * (length - 1),
                "0" * (length + 1),
                "g" * length,
                "\u0660" * length,
                "x",
            )
        ],
    ],
)
def test_a_field_that_does_not_make_sense_is_refused(
    changes: dict[str, str | None], sentence: str
) -> None:
    with pytest.raises(BadForm, match=sentence) as refused:
        parse_claims(form(**changes), private=False)

    assert not isinstance(refused.value, MissingField)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize(
    "name", ["-a", "a-", "a b", "é", "a/b", "..", "a!", "x" * 201, "a\nb", "\uff41", "İ", "a\u200b"]
)
def test_a_name_follows_the_rule_for_names(name: str) -> None:
    with pytest.raises(InvalidMetadata, match="is an invalid value for Name"):
        parse_name({"name": [name]})


@pytest.mark.parametrize(
    "version",
    ["one", "1.0-", "1..0", "1.0+", "1.0 beta", "1\u0660", "1" * 101, "1.0\nx", "9" * 5000],
)
def test_a_version_follows_the_rule_for_versions(version: str) -> None:
    with pytest.raises(InvalidMetadata, match="is an invalid value for Version"):
        parse_claims(form(version=version), private=False)


def test_a_local_version_is_for_private_indexes() -> None:
    assert parse_claims(form(version="1.0+local"), private=True).version.local == "local"
    with pytest.raises(InvalidMetadata, match="is a local version"):
        parse_claims(form(version="1.0+local"), private=False)


SINGLE = [
    *FORM,
    "staged",
    "draft",
    "summary",
    "comment",
    "description",
    "license",
    "author_email",
    "requires_python",
    "description_content_type",
    "home_page",
]


@pytest.mark.parametrize("name", SINGLE)
def test_a_field_that_is_one_is_sent_once(name: str) -> None:
    twice = form() | {name: FORM.get(name, ["true"]) * 2}

    with pytest.raises(BadForm, match=f"'{name}' is sent 2 times"):
        parse_claims(twice, private=False)


@pytest.mark.parametrize(
    "name", ["classifiers", "requires_dist", "project_urls", "license_file", "dynamic", "my_field"]
)
def test_lists_and_fields_that_nobody_knows_are_not_judged(name: str) -> None:
    assert parse_claims(form() | {name: ["a", "a"]}, private=False)


@pytest.mark.parametrize(
    ("sent", "comment"),
    [
        (None, ""),
        ("", ""),
        (" \n", ""),
        ("UNKNOWN", ""),
        ("built for Débian", "built for Débian"),
        (" two\nlines ", "two\nlines"),
        ("x" * LONGEST_COMMENT, "x" * LONGEST_COMMENT),
    ],
)
def test_a_comment_is_kept_as_it_is(sent: str | None, comment: str) -> None:
    assert parse_claims(form(comment=sent), private=False).comment == comment


def test_a_long_comment_is_refused_not_cut() -> None:
    with pytest.raises(BadForm, match="'comment' has 4001 characters: it may have 4000"):
        parse_claims(form(comment="x" * (LONGEST_COMMENT + 1)), private=False)


def test_space_around_a_field_does_not_matter() -> None:
    claims = parse_claims(form(name=" Example\n", version=" 1.0 "), private=False)

    assert (claims.name, claims.version) == ("Example", Version("1.0"))
