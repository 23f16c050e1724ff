"""What a distribution says of itself: kept and read back, and read with care."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
from sqlalchemy import JSON, type_coerce, update

from greenroom.core_metadata import CoreMetadata, Mailbox, is_web_address, mailboxes
from greenroom.models import Release
from greenroom.registry.unit_of_work import Services
from tests import factories
from tests.artifacts import make_wheel

FULL = CoreMetadata(
    **{
        field.name: (("Source", "https://index.example/source"),)
        if field.name == "project_urls"
        else ("one", "two")
        if field.default == ()
        else f"the {field.name}"
        for field in fields(CoreMetadata)
    }  # type: ignore[arg-type]
)


def test_what_is_stored_is_what_is_read() -> None:
    assert CoreMetadata.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL
    assert set(FULL.to_json()) == {field.name for field in fields(CoreMetadata)}


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
