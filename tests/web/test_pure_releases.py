"""What the index says of a release is a pure function of the set of its files.

Neither the order nor the way in which they came makes a difference, nor does what was there for a
while and is gone.
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from greenroom.registry import accounts, journal, projects, publishing, removal
from greenroom.registry.permissions import OPERATOR, Person
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import empty
from tests.web.conftest import Site
from tests.web.standing import fetch

pytestmark = pytest.mark.usefixtures("renderings_are_kept")

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"

Way = Callable[[Site, Sequence[Path]], None]


def directly(site: Site, paths: Sequence[Path]) -> None:
    site.release(*paths)


def by_a_draft(site: Site, paths: Sequence[Path]) -> None:
    with site.services.writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        publishing.publish(uow, ada, factories.stage(uow, ada, *paths))


def by_both(site: Site, paths: Sequence[Path]) -> None:
    """A draft adds to what is public already."""
    directly(site, paths[:1])
    by_a_draft(site, paths[1:])


WAYS: list[Way] = [directly, by_a_draft, by_both]


def old_sdist(folder: Path) -> Path:
    """As setuptools made them: it does not say what it requires."""
    return make_sdist(
        folder,
        "Lab.Spell",
        "1.0",
        summary="Source.",
        description="*Source*",
        metadata_version="2.1",
        metadata_extra=[("Author", "Ada"), ("Keywords", "source")],
    )


def dynamic_sdist(folder: Path) -> Path:
    return make_sdist(
        folder,
        "Lab.Spell",
        "1.0",
        summary="Source.",
        metadata_extra=[("Dynamic", "Requires-Dist"), ("Dynamic", "Description")],
    )


def wheels(folder: Path) -> list[Path]:
    """They disagree about everything, and spell name and version in other ways."""
    return [
        make_wheel(
            folder,
            "lab-spell",
            "1.0.0",
            tag="cp312-cp312-win_amd64",
            summary="Windows.",
            requires_python=">=3.12",
            metadata_extra=[("Requires-Dist", "other>=1"), ("Keywords", "windows")],
        ),
        make_wheel(
            folder,
            "Lab_Spell",
            "1",
            tag="py3-none-any",
            summary=None,
            description="# Pure",
            description_content_type="text/markdown",
            metadata_extra=[("Requires-Dist", "other>=2"), ("License", "MIT")],
        ),
    ]


def file_sets(folder: Path) -> list[list[Path]]:
    built = wheels(folder)
    return [
        [old_sdist(folder / "old"), *built],
        [dynamic_sdist(folder / "dynamic"), *built],
        [*built, make_wheel(folder, "lab.spell", "1.0", tag="py3-none-macosx_11_0_arm64")],
    ]


def said(site: Site) -> dict[str, str]:
    """All that anybody is told of the project, without the order in which it happened."""
    answers = {
        path: fetch(site, path)
        for path in (
            "/pypi/lab-spell/json",
            "/simple/lab-spell/",
            "/rss/project/lab-spell/releases.xml",
            "/search/?q=spell",
        )
    }
    name = info(site)["name"]
    for path in (f"/project/{name}/", "/user/ada/"):
        answers[path] = fetch(site, path)
    answers["json"] = fetch(site, "/simple/lab-spell/", headers={"Accept": SIMPLE_JSON})
    assert {answer.status_int for answer in answers.values()} == {200}
    return {path: answer.text for path, answer in answers.items()}


def info(site: Site, path: str = "/pypi/lab-spell/json") -> dict[str, Any]:
    """What the JSON API says of the release."""
    found: dict[str, Any] = fetch(site, path).json["info"]
    return found


def anew(site: Site) -> None:
    """The index with nothing in it but a user."""
    url = site.services.settings.sqlalchemy_url
    empty(url)
    site.user("ada")


@pytest.mark.parametrize("which", [0, 1, 2])
def test_every_order_and_every_way_comes_to_the_same(
    site: Site, tmp_path: Path, which: int
) -> None:
    paths = file_sets(tmp_path)[which]
    expected: dict[str, str] | None = None
    for order in itertools.permutations(paths):
        for way in WAYS:
            anew(site)
            way(site, order)
            expected = expected or said(site)
            assert said(site) == expected, (way.__name__, [path.name for path in order])


@pytest.mark.parametrize("which", [0, 1, 2])
def test_what_was_there_and_is_gone_has_no_say(site: Site, tmp_path: Path, which: int) -> None:
    *paths, gone = file_sets(tmp_path)[which][::-1]
    anew(site)
    directly(site, paths)
    expected = info(site)
    anew(site)
    directly(site, [gone, *paths])

    with site.services.writing() as uow:
        removal.remove_file(uow, OPERATOR, projects.get(uow, "lab-spell"), gone.name)

    assert info(site) == expected
    assert fetch(site, "/search/?q=spell").status_int == 200


@pytest.mark.parametrize("way", WAYS)
def test_an_sdist_that_does_not_know_what_it_requires_leaves_it_to_the_wheel(
    site: Site, tmp_path: Path, account: str, way: Way
) -> None:
    requires = [("Requires-Dist", "other>=1"), ("Provides-Extra", "fast")]
    way(
        site,
        [
            make_sdist(tmp_path, metadata_version="2.1", summary="Source."),
            make_wheel(tmp_path, summary=None, metadata_extra=requires),
        ],
    )

    says = info(site, "/pypi/example/json")

    assert (says["requires_dist"], says["provides_extra"]) == (["other>=1"], ["fast"])
    assert says["summary"] == "Source."


def test_search_finds_what_the_release_says_now(site: Site, tmp_path: Path, account: str) -> None:
    sdist = make_sdist(tmp_path, summary="Zebra.")
    directly(site, [make_wheel(tmp_path, summary="Quagga."), sdist])
    assert "example" in fetch(site, "/search/?q=zebra").text

    with site.services.writing() as uow:
        removal.remove_file(uow, OPERATOR, projects.get(uow, "example"), sdist.name)

    assert "/project/example/" not in fetch(site, "/search/?q=zebra").text
    assert "/project/example/" in fetch(site, "/search/?q=quagga").text


# Spelling


def spelling(site: Site) -> set[str]:
    """The name of the project, wherever somebody is told it."""
    says = info(site)
    with site.services.reading() as uow:
        project = projects.get(uow, "lab-spell")
    assert fetch(site, f"/project/{project.name}/").status_int == 200
    return {says["name"], project.name, says["project_url"].split("/")[-2]}


def test_a_project_is_spelled_as_its_newest_release_spells_it(
    site: Site, tmp_path: Path, account: str
) -> None:
    directly(site, [make_wheel(tmp_path, "lab-spell", "1.0")])
    assert spelling(site) == {"lab-spell"}

    directly(site, [make_wheel(tmp_path, "Lab.Spell", "2.0")])
    assert spelling(site) == {"Lab.Spell"}
    assert "/project/Lab.Spell/" in fetch(site, "/rss/updates.xml").text

    # Newest is what was published last, whatever its version.
    directly(site, [make_wheel(tmp_path, "LAB_SPELL", "1.1")])
    assert spelling(site) == {"LAB_SPELL"}

    with site.services.writing() as uow:
        removal.remove_release(uow, OPERATOR, projects.get(uow, "lab-spell"), "1.1")
    assert spelling(site) == {"Lab.Spell"}


def test_a_draft_spells_the_project_when_it_is_published(
    site: Site, tmp_path: Path, account: str
) -> None:
    directly(site, [make_wheel(tmp_path, "lab-spell", "1.0")])
    before = said(site)
    site.stage(make_wheel(tmp_path, "Lab.Spell", "2.0"))
    slug = site.stage(make_wheel(tmp_path, "LAB.spell", "3.0"))
    assert said(site) == before

    with site.services.writing() as uow:
        draft = factories.find_draft(uow, "lab-spell", "2.0")
        assert draft is not None
        publishing.publish(uow, OPERATOR, draft)

    assert spelling(site) == {"Lab.Spell"}
    # Those that are still open are spelled so too, until they are published themselves.
    assert "Lab.Spell 3.0" in fetch(site, f"/draft/{slug}/").text


def test_the_history_of_a_project_has_every_spelling(
    site: Site, tmp_path: Path, account: str
) -> None:
    directly(
        site,
        [make_wheel(tmp_path, "lab-spell", "1.0"), make_wheel(tmp_path, "Lab.Spell", "2.0")],
    )

    with site.services.reading() as uow:
        project = projects.get(uow, "lab-spell")
        lines = journal.of_project(uow.db, project, start=0, count=100)
        assert journal.count_of_project(uow.db, project) == len(lines) == 6
    assert {line.project_name for line in lines} == {"lab-spell", "Lab.Spell"}


def test_a_browser_does_not_remember_where_another_spelling_led(
    site: Site, tmp_path: Path, account: str
) -> None:
    """Or else the old spelling and the new one would lead to each other for ever."""
    directly(site, [make_wheel(tmp_path, "lab-spell", "1.0")])

    answer = fetch(site, "/project/Lab.Spell/")

    assert (answer.status_int, answer.headers["Cache-Control"]) == (301, "no-cache")
