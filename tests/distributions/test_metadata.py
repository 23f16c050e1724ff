"""Which core metadata an index takes, and what it makes of it."""

import contextlib
import json
import time
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.core_metadata import CoreMetadata
from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.metadata import (
    MAX_FIELDS,
    MAX_METADATA,
    parse_metadata,
)
from greenroom.distributions.moving_lists import METADATA_VERSIONS
from tests.artifacts import make_metadata
from tests.fuzzing import fuzzed

Fields = Iterable[tuple[str, str]]


def parsed(*fields: tuple[str, str], version: str = "2.5", private: bool = False) -> CoreMetadata:
    content = make_metadata(metadata_extra=fields, metadata_version=version)
    return parse_metadata(content, private=private)


def reasons(*fields: tuple[str, str], version: str = "2.5") -> tuple[str, ...]:
    with pytest.raises(InvalidDistribution) as refusal:
        parsed(*fields, version=version)
    return refusal.value.reasons


def test_all_fields_come_out() -> None:
    content = make_metadata(
        "My.Project",
        "1.0RC1",
        summary="A project.",
        requires_python=">=3.11",
        description="# Hello\n\nä",
        description_content_type="text/markdown",
        metadata_version="2.5",
        metadata_extra=[
            ("Keywords", "one,two"),
            ("Home-Page", "https://index.example"),
            ("Download-URL", "http://index.example/d"),
            ("Author", "Ada"),
            ("Author-Email", "Ada <ada@index.example>"),
            ("Maintainer", "Bob"),
            ("Maintainer-Email", "bob@index.example"),
            ("License-Expression", "mit or apache-2.0"),
            ("License-File", "LICENSE"),
            ("License-File", "vendored/LICENSE"),
            ("Classifier", "Typing :: Typed"),
            ("Platform", "any"),
            ("Supported-Platform", "linux"),
            ("Requires-Dist", "click>=8"),
            ("Requires-Dist", 'rich; extra == "nice"'),
            ("Requires-External", "libpq"),
            ("Provides-Extra", "nice"),
            ("Provides-Dist", "other"),
            ("Obsoletes-Dist", "older"),
            ("Project-URL", "Source, https://index.example/source"),
            ("Project-URL", "Docs, https://index.example/docs"),
            ("Dynamic", "Requires-Dist"),
            ("Import-Name", "my_project"),
            ("Import-Namespace", "ns"),
        ],
    )
    metadata = parse_metadata(content)
    assert metadata.name == "My.Project"
    assert metadata.version == "1.0RC1"
    assert metadata.summary == "A project."
    assert metadata.requires_python == ">=3.11"
    assert metadata.description == "# Hello\n\nä"
    assert metadata.description_content_type == "text/markdown"
    assert metadata.keywords == ("one", "two")
    assert metadata.home_page == "https://index.example"
    assert metadata.download_url == "http://index.example/d"
    assert (metadata.author, metadata.maintainer) == ("Ada", "Bob")
    assert metadata.author_email == "Ada <ada@index.example>"
    assert metadata.maintainer_email == "bob@index.example"
    assert metadata.license_expression == "MIT OR Apache-2.0"
    assert metadata.license_files == ("LICENSE", "vendored/LICENSE")
    assert metadata.classifiers == ("Typing :: Typed",)
    assert metadata.platforms == ("any",)
    assert metadata.requires_dist == ("click>=8", 'rich; extra == "nice"')
    assert metadata.provides_extra == ("nice",)
    assert metadata.project_urls == (
        ("Source", "https://index.example/source"),
        ("Docs", "https://index.example/docs"),
    )
    assert metadata.dynamic == ("requires-dist",)


def test_what_is_stored_is_fit_for_json_and_always_in_the_same_order() -> None:
    raw = parsed(
        ("Classifier", "Typing :: Typed"), ("Project-URL", "A, https://a.example")
    ).to_json()
    assert json.loads(json.dumps(raw)) == raw
    assert list(raw) == ["metadata_version", "name", "version", "classifiers", "project_urls"]


def test_absent_fields_are_empty() -> None:
    metadata = parsed()
    assert metadata.summary == ""
    assert metadata.description == ""
    assert metadata.requires_python == ""
    assert metadata.classifiers == ()
    assert metadata.project_urls == ()


def test_what_old_backends_write_for_nothing_is_absent() -> None:
    metadata = parsed(
        ("Summary", "UNKNOWN"), ("Home-Page", "UNKNOWN"), ("Platform", "UNKNOWN"), ("License", "")
    )
    assert (metadata.summary, metadata.home_page, metadata.platforms) == ("", "", ())
    assert set(metadata.to_json()) == {"metadata_version", "name", "version"}


def test_unknown_fields_are_ignored() -> None:
    assert parsed(("X-Nonsense", "1"), ("Variant", "2")).name == "example"


@pytest.mark.parametrize("version", METADATA_VERSIONS)
def test_known_metadata_versions_are_accepted(version: str) -> None:
    assert parsed(version=version).metadata_version == version


@pytest.mark.parametrize("version", ["0.9", "2.0", "2.99", "3.0", "banana", "2.1.0", "02.1"])
def test_unknown_metadata_versions_are_refused(version: str) -> None:
    assert "Metadata-Version" in reasons(version=version)[0]


def test_required_fields_are_missed_all_at_once() -> None:
    with pytest.raises(InvalidDistribution) as refusal:
        parse_metadata(b"Summary: x\n\n")
    assert refusal.value.reasons == (
        "The metadata has no Metadata-Version.",
        "The metadata has no Name.",
        "The metadata has no Version.",
    )


@pytest.mark.parametrize(
    ("field", "value", "version"),
    [
        ("License-Expression", "MIT", "2.3"),
        ("Dynamic", "Summary", "2.1"),
        ("Import-Name", "a", "2.4"),
        ("Requires-Python", ">=3", "1.1"),
        ("Provides-Extra", "a", "1.2"),
    ],
)
def test_fields_that_are_newer_than_the_metadata_version_are_refused(
    field: str, value: str, version: str
) -> None:
    (reason,) = reasons((field, value), version=version)
    assert field in reason
    assert version in reason


def test_a_license_file_may_be_older_than_its_definition() -> None:
    assert parsed(("License-File", "LICENSE"), version="2.1").license_files == ("LICENSE",)


@pytest.mark.parametrize("name", ["-a", "a-", "a b", "ä", "a/b", "a\n b", "."])
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidDistribution, match="Name"):
        parse_metadata(make_metadata(name))


@pytest.mark.parametrize("field", ["Requires-Dist", "Requires-Python", "License-Expression"])
def test_what_is_too_long_is_refused_for_its_length(field: str) -> None:
    (reason,) = reasons((field, "a" * 4097))
    assert field in reason
    assert "has 4097 characters" in reason


@pytest.mark.parametrize("version", ["1." * 3000 + "1", "x" * 5000])
def test_a_version_that_is_too_long_is_refused_for_its_length(version: str) -> None:
    with pytest.raises(InvalidDistribution, match=r"Version has \d+ characters .* at most 4096"):
        parse_metadata(make_metadata(version=version))


@pytest.mark.parametrize("version", ["x", "1.0-", "1..0"])
def test_invalid_versions_are_refused(version: str) -> None:
    with pytest.raises(InvalidDistribution, match="PEP 440"):
        parse_metadata(make_metadata(version=version))


def test_local_versions_are_for_private_indexes() -> None:
    content = make_metadata(version="1.0+cpu")
    with pytest.raises(InvalidDistribution, match="local"):
        parse_metadata(content)
    assert parse_metadata(content, private=True).version == "1.0+cpu"


def test_a_summary_of_512_characters_is_not_too_long() -> None:
    assert parsed(("Summary", "ä" * 512)).summary == "ä" * 512


@pytest.mark.parametrize("summary", ["x" * 513, "a\n b", "a\u2028b", "a\x0cb"])
def test_a_summary_is_one_short_line(summary: str) -> None:
    assert all("Summary" in reason for reason in reasons(("Summary", summary)))


def test_classifiers_must_be_known() -> None:
    assert "'Topic :: Nonsense'" in reasons(("Classifier", "Topic :: Nonsense"))[0]


def test_for_a_deprecated_classifier_its_successor_is_named() -> None:
    (reason,) = reasons(("Classifier", "Natural Language :: Ukranian"))
    assert "Natural Language :: Ukrainian" in reason


def test_private_classifiers_keep_a_project_off_a_public_index() -> None:
    field = ("Classifier", "Private :: Do Not Upload")
    assert "public" in reasons(field)[0]
    assert parsed(field, private=True).classifiers == ("Private :: Do Not Upload",)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "ftp://index.example",
        "index.example",
        "https://",
        "https:///path",
        "https://a b",
        "https://a:b",
        "https://a:99999",
        "https://[::1",
        "https://a\n b",
        "https://index.example/" + "x" * 5000,
    ],
)
@pytest.mark.parametrize("field", ["Home-Page", "Download-URL", "Project-URL"])
def test_urls_must_be_of_the_web(field: str, url: str) -> None:
    value = f"Label, {url}" if field == "Project-URL" else url
    (reason,) = reasons((field, value))
    assert field in reason


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://user@index.example:8443/?q=ä#f",
        "HTTPS://A/",
        "https://index.example/my project",
        "https://index.example/?q=a b#c d",
    ],
)
def test_urls_of_the_web_are_accepted(url: str) -> None:
    assert parsed(("Home-Page", url)).home_page == url


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("x" * 32 + ", https://a.example", True),
        ("x" * 33 + ", https://a.example", False),
        (", https://a.example", False),
        ("https://a.example", False),
        ("label", False),
    ],
)
def test_labels_of_urls_have_1_to_32_characters(value: str, accepted: bool) -> None:
    if accepted:
        assert parsed(("Project-URL", value)).project_urls
    else:
        assert "Project-URL" in reasons(("Project-URL", value))[0]


def test_two_urls_with_one_label_are_refused() -> None:
    (reason,) = reasons(("Project-URL", "A, https://a.example"), ("Project-URL", "A, https://b.c"))
    assert "same label" in reason


@pytest.mark.parametrize("expression", ["Nonsense-1.0", "MIT AND", "(" * 3000, "(" * 500 + "MIT"])
def test_license_expressions_must_be_valid(expression: str) -> None:
    assert "License-Expression" in reasons(("License-Expression", expression))[0]


def test_a_license_expression_may_stand_beside_license_classifiers() -> None:
    classifier = ("Classifier", "License :: OSI Approved :: MIT License")
    assert parsed(classifier).classifiers == (classifier[1],)
    metadata = parsed(("License-Expression", "MIT"), classifier)
    assert (metadata.license_expression, metadata.classifiers) == ("MIT", (classifier[1],))


def test_a_license_expression_goes_before_a_license_that_is_text() -> None:
    assert parsed(("License", "MIT")).license == "MIT"
    metadata = parsed(("License", "MIT License, see below"), ("License-Expression", "MIT"))
    assert (metadata.license_expression, metadata.license) == ("MIT", "")


@pytest.mark.parametrize(
    ("expression", "canonical"),
    [
        ("mit", "MIT"),
        ("mit or apache-2.0", "MIT OR Apache-2.0"),
        ("( gpl-2.0-or-later   with classpath-exception-2.0 )", None),
        ("mit and (APACHE-2.0 or bsd-3-clause)", "MIT AND (Apache-2.0 OR BSD-3-Clause)"),
        ("licenseref-Ours", "LicenseRef-Ours"),
        ("MIT OR\n  Apache-2.0", "MIT OR Apache-2.0"),
    ],
)
def test_license_expressions_are_canonicalized(expression: str, canonical: str | None) -> None:
    expected = canonical or "(GPL-2.0-or-later WITH Classpath-exception-2.0)"
    assert parsed(("License-Expression", expression)).license_expression == expected


def test_fields_of_one_line_are_read_as_one_line() -> None:
    metadata = parsed(
        ("Requires-Python", " >=3.8,\n   <4 "),
        ("Keywords", "one, two ,\n\tthree"),
        ("Classifier", " Typing :: Typed "),
        ("Requires-Dist", "a\n  >=1 ;\n  python_version < '3' "),
        ("Author-Email", "Ada <ada@index.example>,\n Bob <bob@index.example>"),
        ("Provides-Extra", " nice "),
        ("Home-Page", " https://index.example/ "),
    )
    assert metadata.requires_python == ">=3.8, <4"
    assert metadata.keywords == ("one", "two", "three")
    assert metadata.classifiers == ("Typing :: Typed",)
    assert metadata.requires_dist == ("a >=1 ; python_version < '3'",)
    assert metadata.author_email == "Ada <ada@index.example>, Bob <bob@index.example>"
    assert metadata.provides_extra == ("nice",)
    assert metadata.home_page == "https://index.example/"


def test_other_values_are_handed_on_as_the_file_has_them() -> None:
    metadata = parsed(
        ("Requires-Python", "<4,>= 3.8"),
        ("Provides-Extra", "Nice_Extra"),
        ("Requires-Dist", 'A.b[c] ; extra == "Nice_Extra"'),
        ("License", "One\n  Two"),
    )
    assert metadata.requires_python == "<4,>= 3.8"
    assert metadata.provides_extra == ("Nice_Extra",)
    assert metadata.requires_dist == ('A.b[c] ; extra == "Nice_Extra"',)
    assert metadata.license == "One\n  Two"


@pytest.mark.parametrize("field", ["Author-email", "Maintainer-email"])
@pytest.mark.parametrize(
    "value",
    [
        "Foo <test>",
        "test",
        "Ada",
        "ada at index.example",
        "Ada <ada@>",
        "Ada <@index.example>",
        "Ada <a da@index.example>",
        "<>",
        "Ada <>",
        "Ada <ada@index.example>, Bob <bob>",
        "Byron, Ada <ada@index.example>",
        ",",
    ],
)
def test_addresses_of_people_are_addresses(field: str, value: str) -> None:
    (reason,) = reasons((field, value))
    assert reason.startswith(f"The {field} in the metadata has ")


@pytest.mark.parametrize(
    "value",
    [
        "ada@index.example",
        "Ada <ada@index.example>",
        "Ada Ä. Byron <ada.byron+pypi@mail.index.example>, bob@index.example",
        '"Byron, Ada" <ada@index.example>',
        "Ada (Analysts) <ada@index.example>",
        "ada@localhost",
        "Ada <ada@index.example>,\n        Bob <bob@index.example>",
    ],
)
def test_addresses_that_people_have_are_accepted(value: str) -> None:
    assert parsed(("Author-email", value)).author_email == " ".join(value.split())


@pytest.mark.parametrize("field", ["Provides-Dist", "Obsoletes-Dist"])
def test_what_is_provided_or_obsolete_has_the_form_of_a_requirement(field: str) -> None:
    for value in ("other", "other (>=1.0)", "other<2; python_version < '3'"):
        assert parsed((field, value)).name == "example"
    for value in ("not a requirement!", "other @ https://index.example/other.whl", ">=1"):
        (reason,) = reasons((field, value))
        assert field in reason


@pytest.mark.parametrize("path", ["../LICENSE", "/LICENSE", "a\\LICENSE", "LICEN*", "C:/LICENSE"])
def test_license_files_are_plain_relative_paths(path: str) -> None:
    assert "License-File" in reasons(("License-File", path))[0]


def test_direct_references_are_for_private_indexes() -> None:
    field = ("Requires-Dist", "other @ https://index.example/other-1.0.tar.gz")
    assert "URL" in reasons(field)[0]
    assert parsed(field, private=True).requires_dist == (field[1],)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Requires-Dist", "not a requirement!"),
        ("Requires-Dist", "a>=1.*"),
        ("Requires-Dist", "a; " + "(" * 3000),
        ("Requires-Dist", "a" * 5000),
        ("Requires-Python", "three"),
        ("Requires-Python", ">=3," * 3000 + "<4"),
        ("Provides-Extra", "a b"),
        ("Dynamic", "Name"),
        ("Dynamic", "Version"),
        ("Dynamic", "Metadata-Version"),
        ("Dynamic", "Nonsense"),
        ("Import-Name", "1a"),
        ("Import-Name", "class"),
        ("Import-Namespace", "a-b"),
        ("Description-Content-Type", "text/html"),
        ("Description-Content-Type", "text/markdown; variant=Fancy"),
    ],
)
def test_malformed_values_are_refused_by_the_name_of_their_field(field: str, value: str) -> None:
    (reason,) = reasons((field, value))
    assert field in reason


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Requires-Dist", "a (>=1.0)"),
        ("Requires-Dist", "a[b]>=1; python_version < '3' and extra == 'c'"),
        ("Requires-Python", ">=3.8,!=3.9.*"),
        ("Dynamic", "license-file"),
        ("Import-Name", "a.b ; private"),
    ],
)
def test_values_that_are_in_use_are_accepted(field: str, value: str) -> None:
    assert parsed((field, value)).name == "example"


@pytest.mark.parametrize("declared", ["text/x-rst", None])
def test_a_description_that_is_restructuredtext_must_render(declared: str | None) -> None:
    content = make_metadata(description=":nope:`x`", description_content_type=declared)

    with pytest.raises(InvalidDistribution, match="reStructuredText"):
        parse_metadata(content)


@pytest.mark.parametrize("declared", ["text/markdown", "text/plain"])
def test_a_description_that_is_something_else_always_renders(declared: str) -> None:
    content = make_metadata(description=":nope:`x`", description_content_type=declared)

    assert parse_metadata(content).description == ":nope:`x`"


def test_a_description_in_a_field_loses_its_indentation() -> None:
    metadata = parsed(("Description", "One\n        \n        Two\n       |  three"), version="1.1")
    assert metadata.description == "One\n\nTwo\n  three"


def test_a_description_in_the_body_keeps_its_indentation() -> None:
    content = make_metadata(description="One::\n\n        Two")
    assert parse_metadata(content).description == "One::\n\n        Two"


@pytest.mark.parametrize("field", ["Name", "Version", "Summary", "Requires-Python", "License"])
def test_single_use_fields_are_used_once(field: str) -> None:
    extra = [] if field in ("Name", "Version") else [(field, "1")]
    (reason,) = reasons(*extra, (field, "1"))
    assert reason == f"The metadata field {field} is given more than once."


def test_a_description_is_given_in_one_place() -> None:
    content = make_metadata(metadata_extra=[("Description", "a")], description="b")
    with pytest.raises(InvalidDistribution, match="Description is given more than once"):
        parse_metadata(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no Metadata-Version"),
        (make_metadata(summary="a\0b"), "NUL"),
        (make_metadata(description="\0"), "NUL"),
        (make_metadata() + b"\xff", "UTF-8"),
        (make_metadata(metadata_extra=[("Content-Type", "message/rfc822")]), "Content-Type"),
        (
            make_metadata(metadata_extra=[("content-transfer-encoding ", "base64")]),
            "content-transfer-encoding",
        ),
        (b"x" * (MAX_METADATA + 1), "longer"),
        (b"A: b\n" * (MAX_FIELDS + 1), "too many fields"),
        (b"".join(b"A%d: b\n" % number for number in range(1000)), "too many fields"),
    ],
)
def test_bytes_that_are_no_metadata_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidDistribution, match=reason):
        parse_metadata(content)


@pytest.mark.parametrize(
    "content",
    [
        b"Content-Type: message/rfc822\n\n" * 200_000,
        b"A" * (MAX_METADATA - 1),
        make_metadata(summary="=?=?" * 1_000_000),
        make_metadata(summary="ä=?utf-8?q?" * 500_000),
        make_metadata(metadata_extra=[("Classifier", "x")] * (MAX_FIELDS - 10)),
        make_metadata(metadata_extra=[("Requires-Dist", "a" * 400)] * (MAX_FIELDS // 2)),
        make_metadata(summary="a\n " * 300_000),
        make_metadata(requires_python=">=3" + ",!=3.1.*" * 500),
    ],
)
def test_hostile_metadata_is_dealt_with_in_time(content: bytes) -> None:
    begin = time.thread_time()  # of the processor, whatever else the machine does
    with contextlib.suppress(InvalidDistribution):
        parse_metadata(content)
    assert time.thread_time() - begin < 4


def test_everything_that_is_wrong_is_said() -> None:
    found = reasons(
        ("Summary", "x" * 600),
        ("Classifier", "Nonsense"),
        ("Home-Page", "nowhere"),
        ("Requires-Python", "three"),
    )
    assert len(found) == 4


FUZZED_FIELDS = [
    *("Name", "Summary", "Classifier", "Requires-Dist", "License-Expression", "Dynamic"),
    *("Project-URL", "Requires-Python", "Keywords", "Import-Name", "Home-Page", "License-File"),
]


@fuzzed(150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(FUZZED_FIELDS),
            st.text(max_size=30),
        ),
        max_size=5,
    ),
    st.binary(max_size=30),
)
def test_any_bytes_are_parsed_or_refused(fields: list[tuple[str, str]], rest: bytes) -> None:
    head = "".join(f"{field}: {value}\n" for field, value in fields)
    content = b"Metadata-Version: 2.5\n" + head.encode("utf-8", "replace") + rest
    with contextlib.suppress(InvalidDistribution):
        json.dumps(parse_metadata(content).to_json())
