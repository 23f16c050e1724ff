"""What a distribution says of itself: kept and read back, and read with care."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import JSON, type_coerce, update

from greenroom.core_metadata import (
    CoreMetadata,
    Mailbox,
    is_web_address,
    mailboxes,
    of_release,
)
from greenroom.models import Release
from greenroom.registry.unit_of_work import Services
from tests import factories
from tests.artifacts import make_wheel

FULL = CoreMetadata(
    **{
        name: (("Source", "https://index.example/source"),)
        if name == "project_urls"
        else ("one", "two")
        if default == ()
        else f"the {name}"
        for name, default in zip(
            CoreMetadata.__struct_fields__, CoreMetadata.__struct_defaults__, strict=True
        )
    }  # type: ignore[arg-type]
)


def test_what_is_stored_is_what_is_read() -> None:
    assert CoreMetadata.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL
    assert set(FULL.to_json()) == set(CoreMetadata.__struct_fields__)


def test_what_says_nothing_is_not_stored() -> None:
    assert CoreMetadata(name="example").to_json() == {"name": "example"}
    assert CoreMetadata.from_json({}) == CoreMetadata()


def test_fields_that_nothing_reads_and_forms_that_none_has_are_left_out() -> None:
    stored: dict[str, object] = {
        "name": "example",
        "provides_dist": ["other"],
        "keywords": "text",
        "classifiers": [1, "Typing :: Typed"],
        "project_urls": [],
        "license": {},
        "author": 3,
    }
    assert CoreMetadata.from_json(stored) == CoreMetadata(
        name="example", classifiers=("Typing :: Typed",)
    )


def test_a_release_gives_the_value_back(services: Services, tmp_path: Path) -> None:
    with services.writing() as uow:
        factories.release(uow, factories.make_user(uow), make_wheel(tmp_path))
        release = uow.db.query(Release).one()
        release.core_metadata = FULL
    with services.reading() as uow:
        assert uow.db.query(Release).one().core_metadata == FULL
        found = Release.core_metadata["author_email"].as_string()
        assert uow.db.query(found).scalar() == "the author_email"


def test_rows_of_earlier_versions_are_read(services: Services, tmp_path: Path) -> None:
    earlier = {
        "metadata_version": "2.5",
        "name": "Example",
        "version": "1.0RC1",
        "supported_platforms": ["linux"],
        "keywords": ["a", "b"],
        "author_email": "Ada <ada@index.example>",
        "license_expression": "mit or apache-2.0",
        "dynamic": ["Requires-Dist"],
        "project_urls": {"Source": "https://index.example/source", "Docs": "https://a.example"},
        "import_names": ["example"],
    }
    with services.writing() as uow:
        factories.release(uow, factories.make_user(uow), make_wheel(tmp_path))
        uow.db.execute(update(Release).values(core_metadata=type_coerce(earlier, JSON)))
    with services.reading() as uow:
        value = uow.db.query(Release).one().core_metadata
    assert value == CoreMetadata(
        metadata_version="2.5",
        name="Example",
        version="1.0RC1",
        keywords=("a", "b"),
        author_email="Ada <ada@index.example>",
        license_expression="mit or apache-2.0",
        dynamic=("requires-dist",),
        project_urls=(("Source", "https://index.example/source"), ("Docs", "https://a.example")),
    )


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("", ()),
        ("ada@index.example", (Mailbox("", "ada@index.example"),)),
        (
            'Ada <ada@index.example>, "Byron, Bob" <bob@index.example>',
            (Mailbox("Ada", "ada@index.example"), Mailbox("Byron, Bob", "bob@index.example")),
        ),
    ],
)
def test_an_email_field_is_split(field: str, expected: tuple[Mailbox, ...]) -> None:
    assert mailboxes(field) == expected


@pytest.mark.parametrize("text", ["", "ada", "@index.example", "ada@", "a b@index.example"])
def test_no_mail_goes_to_what_is_no_address(text: str) -> None:
    assert not Mailbox("Ada", text).is_address


@pytest.mark.parametrize(
    "url", ["", "javascript:alert(1)", "https://", "https://a b", "ftp://a", "http://a:0/", "//a"]
)
def test_no_page_links_to_what_is_no_web_address(url: str) -> None:
    assert not is_web_address(url)


def test_web_addresses_are_known() -> None:
    assert is_web_address("https://index.example/a?b#c")
    assert is_web_address("http://index.example:8080/")
    assert is_web_address("https://index.example/my project?a b#c d")


OLD_SDIST = CoreMetadata(metadata_version="2.1", name="example", summary="Source.", author="Ada")
NEW_SDIST = replace(OLD_SDIST, metadata_version="2.2")
WHEEL = CoreMetadata(
    metadata_version="2.1",
    name="Example",
    summary="Built.",
    requires_dist=("other>=1",),
    classifiers=("Topic :: Utilities",),
    project_urls=(("Source", "https://index.example/source"),),
    license_files=("LICENSE",),
    platforms=("any",),
)
LATER_WHEEL = CoreMetadata(metadata_version="2.1", summary="Later.", keywords=("late",))


def test_a_source_distribution_is_believed_since_it_vouches_for_its_fields() -> None:
    assert of_release(NEW_SDIST, [WHEEL]) == NEW_SDIST
    assert of_release(replace(NEW_SDIST, metadata_version="2.10"), [WHEEL]).requires_dist == ()


def test_an_older_one_says_only_what_no_wheel_says() -> None:
    assert of_release(OLD_SDIST, [WHEEL]) == replace(WHEEL, author="Ada")


@pytest.mark.parametrize(
    ("field", "attribute"),
    [
        ("summary", "summary"),
        ("requires-dist", "requires_dist"),
        ("classifier", "classifiers"),
        ("project-url", "project_urls"),
        ("license-file", "license_files"),
        ("platform", "platforms"),
    ],
)
def test_what_it_calls_dynamic_is_what_the_wheel_says(field: str, attribute: str) -> None:
    sdist = replace(NEW_SDIST, dynamic=(field,))
    assert of_release(sdist, [WHEEL]) == replace(sdist, **{attribute: getattr(WHEEL, attribute)})


def test_what_is_dynamic_and_in_no_wheel_is_as_it_says() -> None:
    sdist = replace(NEW_SDIST, dynamic=("author",))
    assert of_release(sdist, [WHEEL]) == sdist
    assert of_release(sdist, []) == sdist


def test_of_wheels_the_first_that_says_something_says_it() -> None:
    says = of_release(None, [WHEEL, LATER_WHEEL])
    assert says == replace(WHEEL, keywords=("late",))
    assert of_release(None, []) == CoreMetadata()
