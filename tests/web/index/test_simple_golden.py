"""The simple index, byte for byte: ``golden/`` has the pages of an index with every field in use.

Installers have read these bytes for years, and PEP 833 freezes the HTML. When they change on
purpose, write them anew, and read the difference before you commit it::

    GREENROOM_WRITE_GOLDEN=1 python -m pytest tests/web/index/test_simple_golden.py
    git diff tests/web/index/golden
"""

import gzip
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pypi_simple import DistributionPackage, IndexPage, ProjectPage

from greenroom.registry import accounts, projects, yanking
from greenroom.registry.permissions import OPERATOR, Person
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site
from tests.web.standing import KINDS, fetch, standing_site

GOLDEN = Path(__file__).parent / "golden"
BASE = "http://index.example/simple/"

PAGES = {
    "list.html": ("/simple/", "text/html"),
    "list.json": ("/simple/", "application/vnd.pypi.simple.v1+json"),
    "project.html": ("/simple/odd-name-x/", "text/html"),
    "project.json": ("/simple/odd-name-x/", "application/vnd.pypi.simple.v1+json"),
    "archived.html": ("/simple/aardvark/", "text/html"),
    "archived.json": ("/simple/aardvark/", "application/vnd.pypi.simple.v1+json"),
    "quarantined.html": ("/simple/suspect/", "text/html"),
    "quarantined.json": ("/simple/suspect/", "application/vnd.pypi.simple.v1+json"),
}


@dataclass(frozen=True)
class Published:
    """A file of ``Odd.Name_X``, in the order in which the pages list them."""

    filename: str
    day: int
    """On which day after the first it was published."""
    requires_python: str | None = None
    yanked: str | None = None
    """The reason, which may be empty."""
    by_itself: bool = False
    """Whether it was yanked without its release."""

    @property
    def version(self) -> str:
        return self.filename.removesuffix(".tar.gz").split("-")[1]

    @property
    def is_wheel(self) -> bool:
        return self.filename.endswith(".whl")


FILES = (
    Published("odd_name_x-1.9-cp312-cp312-musllinux_1_2_x86_64.whl", 2, ">=3.9,<4,!=3.10.*"),
    Published(
        "odd_name_x-1.9-py3-none-any.whl", 2, ">=3.9,<4,!=3.10.*", "was built badly", by_itself=True
    ),
    Published("odd_name_x-1.9.tar.gz", 2, ">=3.9,<4,!=3.10.*"),
    Published("odd_name_x-1.10.dev1.tar.gz", 3),
    Published("odd_name_x-1.10a1.tar.gz", 3),
    Published("odd_name_x-1.10rc1-1-py3-none-any.whl", 3),
    Published("odd_name_x-1.10.tar.gz", 0, yanked='breaks <b>"it"</b> & that\'s bad'),
    Published("odd_name_x-1.10.post1-py2.py3-none-any.whl", 4, ">=2.7"),
    Published("odd_name_x-2.0.tar.gz", 1, yanked=""),
    Published("odd_name_x-1!0.1-py3-none-any.whl", 5),
)
ARCHIVED = 'Use "Odd.Name_X" & be <i>happy</i>.'
FIRST_DAY = datetime(2026, 6, 1, 12, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files, as they were uploaded."""
    folder = tmp_path_factory.mktemp("dist")
    for file in FILES:
        python = file.requires_python
        if file.is_wheel:
            *builds, interpreter, abi, platform = file.filename.removesuffix(".whl").split("-")[2:]
            made = make_wheel(
                folder,
                "Odd.Name_X",
                file.version,
                tag=f"{interpreter}-{abi}-{platform}",
                build=builds[0] if builds else None,
                requires_python=python,
            )
        else:
            made = make_sdist(folder, "Odd.Name_X", file.version, requires_python=python)
        assert made.name == file.filename
    make_sdist(folder, "Aardvark")
    make_wheel(folder, "hidden")
    make_wheel(folder, "suspect")
    for path in folder.iterdir():
        path.write_bytes(uncompressed(path))
    return folder


def uncompressed(path: Path) -> bytes:
    """The same archive without compression, whose bytes differ from one library to the next."""
    target = io.BytesIO()
    if path.suffix == ".gz":
        with gzip.GzipFile("", "wb", compresslevel=0, fileobj=target, mtime=0) as compressed:
            compressed.write(gzip.decompress(path.read_bytes()))
        return target.getvalue()
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            archive.writestr(zipfile.ZipInfo(name), source.read(name))
    return target.getvalue()


@pytest.fixture(scope="module", params=KINDS)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, folder: Path
) -> Iterator[Site]:
    with standing_site(request, tmp_path_factory.mktemp("site"), request.param) as site:
        site.user("ada")
        for day in range(6):
            with site.services.writing() as uow:
                ada = Person(accounts.get_user(uow.db, "ada"))
                paths = [folder / file.filename for file in FILES if file.day == day]
                factories.release(uow, ada, *paths)
                if day == 0:
                    factories.release(uow, ada, folder / "aardvark-1.0.tar.gz")
                    factories.stage(uow, ada, folder / "hidden-1.0-py3-none-any.whl")
            site.clock.advance(timedelta(days=1))
        with site.services.writing() as uow:
            ada = Person(accounts.get_user(uow.db, "ada"))
            project = projects.get(uow, "odd-name-x")
            for file in FILES:
                if file.by_itself:
                    yanking.yank_file(uow, ada, project, file.filename, file.yanked or "")
                elif file.yanked is not None:
                    yanking.yank_release(uow, ada, project, file.version, file.yanked)
            projects.archive(uow, ada, projects.get(uow, "aardvark"), ARCHIVED)
            suspect = factories.release(uow, ada, folder / "suspect-1.0-py3-none-any.whl")
            projects.quarantine(uow, OPERATOR, suspect)
        yield site


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_it_was(site: Site, name: str) -> None:
    path, accept = PAGES[name]

    page = fetch(site, path, headers={"Accept": accept}).body

    if os.environ.get("GREENROOM_WRITE_GOLDEN"):
        (GOLDEN / name).write_bytes(page)
    assert page == (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("path", ["/simple/", "/simple/odd-name-x/"])
def test_html_is_the_same_under_both_of_its_names(site: Site, path: str) -> None:
    pages = {
        fetch(site, path, headers={"Accept": accept}).body
        for accept in (
            "text/html",
            "application/vnd.pypi.simple.v1+html",
            "application/vnd.pypi.simple.latest+html",
        )
    }

    assert len(pages) == 1


@pytest.mark.parametrize("form", ["html", "json"])
def test_others_read_the_list_of_projects_out_of_it(form: str) -> None:
    content = (GOLDEN / f"list.{form}").read_text()

    page = (
        IndexPage.from_html(content)
        if form == "html"
        else IndexPage.from_json_data(json.loads(content))
    )

    assert page.projects == ["aardvark", "odd-name-x", "suspect"]
    assert page.repository_version == "1.4"


@pytest.mark.parametrize("form", ["html", "json"])
def test_others_read_out_of_it_what_was_published(form: str, folder: Path) -> None:
    page = project_page(form)

    assert page.project == "odd-name-x"
    assert page.repository_version == "1.4"
    assert str(page.status) == "active"
    assert [package.filename for package in page.packages] == [file.filename for file in FILES]
    for package, file in zip(page.packages, FILES, strict=True):
        content = (folder / file.filename).read_bytes()
        assert package.project == "odd_name_x"
        assert package.version == file.version
        assert package.package_type == ("wheel" if file.is_wheel else "sdist")
        assert package.digests == {"sha256": hashlib.sha256(content).hexdigest()}
        assert package.requires_python == file.requires_python
        assert package.is_yanked == (file.yanked is not None)
        assert (package.yanked_reason or "") == (file.yanked or "")
        assert metadata_digest(package) == metadata_of(folder / file.filename)
        assert package.url.startswith("http://index.example/packages/")


def test_others_read_out_of_json_what_html_has_not(folder: Path) -> None:
    page = project_page("json")

    assert page.versions == [
        "1.9", "1.10.dev1", "1.10a1", "1.10rc1", "1.10", "1.10.post1", "2.0", "1!0.1",
    ]  # fmt: skip
    for package, file in zip(page.packages, FILES, strict=True):
        assert package.size == (folder / file.filename).stat().st_size
        assert package.upload_time == FIRST_DAY + timedelta(days=file.day)


@pytest.mark.parametrize("form", ["html", "json"])
def test_others_read_out_of_it_how_a_project_stands(form: str) -> None:
    archived = read_page(f"archived.{form}", "aardvark")
    quarantined = read_page(f"quarantined.{form}", "suspect")

    assert (str(archived.status), archived.status_reason) == ("archived", ARCHIVED)
    assert [package.filename for package in archived.packages] == ["aardvark-1.0.tar.gz"]
    assert (str(quarantined.status), quarantined.status_reason) == ("quarantined", None)
    assert quarantined.packages == []


def test_json_has_these_fields_and_no_other() -> None:
    listed = json.loads((GOLDEN / "list.json").read_bytes())
    project = json.loads((GOLDEN / "project.json").read_bytes())

    assert set(listed) == {"meta", "projects"}
    assert set(listed["projects"][0]) == {"name", "_last-serial"}
    assert set(project) == {"meta", "name", "versions", "project-status", "files"}
    assert listed["meta"].keys() == project["meta"].keys() == {"api-version", "_last-serial"}
    assert all(
        set(file)
        == {
            "filename",
            "url",
            "hashes",
            "requires-python",
            "size",
            "upload-time",
            "yanked",
            "core-metadata",
            "data-dist-info-metadata",
        }
        for file in project["files"]
    )
    assert [file["yanked"] for file in project["files"] if file["yanked"]] == [
        "was built badly",
        'breaks <b>"it"</b> & that\'s bad',
        True,
    ]


def test_the_links_of_the_page_lead_to_the_files(site: Site, folder: Path) -> None:
    for package in project_page("html").packages:
        path = package.url.removeprefix("http://index.example")
        assert fetch(site, path).body == (folder / package.filename).read_bytes()


def project_page(form: str) -> ProjectPage:
    return read_page(f"project.{form}", "odd-name-x")


def read_page(name: str, project: str) -> ProjectPage:
    content = (GOLDEN / name).read_text()
    if name.endswith(".html"):
        return ProjectPage.from_html(project, content, base_url=f"{BASE}{project}/")
    return ProjectPage.from_json_data(json.loads(content), base_url=f"{BASE}{project}/")


def metadata_digest(package: DistributionPackage) -> str | None:
    return (package.metadata_digests or {}).get("sha256")


def metadata_of(path: Path) -> str | None:
    """The digest of a wheel's METADATA; source distributions have no metadata beside them."""
    if path.suffix != ".whl":
        return None
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return hashlib.sha256(archive.read(name)).hexdigest()
