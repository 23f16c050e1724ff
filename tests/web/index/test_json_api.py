"""``/pypi/<name>/json`` and ``/pypi/<name>/<version>/json``: what mirrors and scripts read."""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from greenroom import paths
from greenroom.models import Project, RoleName
from greenroom.registry import accounts, projects, removal, yanking
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import UnitOfWork
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site
from tests.web.standing import StockedSite, fetch

PROJECT = "/pypi/example/json"
RELEASE = "/pypi/example/2.0rc1/json"


def read(site: Site, path: str) -> Any:
    response = fetch(site, path)
    assert response.status_int == 200
    assert response.headers["Content-Type"] == "application/json"
    return json.loads(response.body)


def publish(site: Site, *paths: Path) -> None:
    with site.services.writing() as uow:
        factories.release(uow, factories.make_user(uow), *paths)


@contextmanager
def acting(site: Site) -> Iterator[tuple[UnitOfWork, Project]]:
    """A unit of work on the project that was published."""
    with site.services.writing() as uow:
        yield uow, projects.get(uow, "example")


def test_a_project_is_described_by_its_latest_release(stocked: StockedSite) -> None:
    found = read(stocked.site, PROJECT)

    assert list(found) == [
        "info",
        "last_serial",
        "ownership",
        "urls",
        "vulnerabilities",
        "releases",
    ]
    assert (found["info"]["name"], found["info"]["version"]) == ("Example", "1.0")
    assert [file["filename"] for file in found["urls"]] == [
        "example-1.0-py3-none-any.whl",
        "example-1.0.tar.gz",
    ]
    assert list(found["releases"]) == ["1.0", "2.0rc1"]
    assert found["releases"]["1.0"] == found["urls"]
    assert found["vulnerabilities"] == []


def test_a_release_is_described_by_itself(stocked: StockedSite) -> None:
    found = read(stocked.site, RELEASE)

    assert "releases" not in found
    assert found["info"]["version"] == "2.0rc1"
    assert [file["filename"] for file in found["urls"]] == [
        "example-2.0rc1-cp312-cp312-manylinux_2_17_x86_64.whl"
    ]
    project = read(stocked.site, PROJECT)
    assert found["urls"] == project["releases"]["2.0rc1"]
    assert found["last_serial"] == project["last_serial"]


def test_a_file_is_described_with_all_that_is_known_of_it(stocked: StockedSite) -> None:
    wheel = factories.artifact_of(stocked.files["example-1.0-py3-none-any.whl"])
    found, sdist = read(stocked.site, PROJECT)["urls"]

    address = f"{wheel.sha256[:2]}/{wheel.sha256[2:4]}/{wheel.sha256[4:]}/{wheel.filename}"
    metadata = fetch(stocked.site, f"/packages/{address}.metadata").body
    assert found == {
        "comment_text": "",
        "core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()},
        "digests": {"blake2b_256": wheel.blake2_256, "md5": wheel.md5, "sha256": wheel.sha256},
        "downloads": -1,
        "filename": wheel.filename,
        "has_sig": False,
        "md5_digest": wheel.md5,
        "packagetype": "bdist_wheel",
        "python_version": "py3",
        "requires_python": ">=3.9",
        "size": wheel.size,
        "upload_time": "2026-06-15T12:00:00",
        "upload_time_iso_8601": "2026-06-15T12:00:00.250000Z",
        "url": f"http://index.example/packages/{address}",
        "yanked": False,
        "yanked_reason": None,
    }
    assert (sdist["packagetype"], sdist["python_version"]) == ("sdist", "source")
    assert sdist["core-metadata"] is False


def test_the_address_of_a_file_leads_to_its_bytes(stocked: StockedSite) -> None:
    for file in read(stocked.site, PROJECT)["urls"]:
        path = file["url"].removeprefix("http://index.example")
        assert fetch(stocked.site, path).body == stocked.files[file["filename"]].read_bytes()


def test_a_mirror_finds_the_metadata_of_every_wheel(stocked: StockedSite) -> None:
    """As bandersnatch 8.2 reads it: by the digest, and the address of the file with an ending."""
    files = [file for files in read(stocked.site, PROJECT)["releases"].values() for file in files]
    copied = {}
    for file in files:
        if isinstance(file["core-metadata"], dict):
            path = file["url"].removeprefix("http://index.example")
            metadata = fetch(stocked.site, f"{path}.metadata").body
            assert file["core-metadata"] == {"sha256": hashlib.sha256(metadata).hexdigest()}
            copied[file["filename"]] = metadata

    assert sorted(copied) == sorted(f["filename"] for f in files if f["filename"].endswith(".whl"))
    assert len(copied) == 2
    assert all(metadata.startswith(b"Metadata-Version: ") for metadata in copied.values())


def test_what_has_no_value_is_there_all_the_same(stocked: StockedSite) -> None:
    info = read(stocked.site, PROJECT)["info"]

    nothing = [
        "author", "author_email", "bugtrack_url", "description_content_type", "docs_url",
        "download_url", "dynamic", "home_page", "keywords", "license", "license_expression",
        "license_files", "maintainer", "maintainer_email", "platform", "project_urls",
        "provides_extra", "requires_dist", "yanked_reason",
    ]  # fmt: skip
    assert {key: info[key] for key in nothing} == dict.fromkeys(nothing)
    assert info["classifiers"] == []
    assert info["downloads"] == {"last_day": -1, "last_month": -1, "last_week": -1}
    assert info["requires_python"] == ">=3.9"
    assert info["yanked"] is False
    assert info["package_url"] == info["project_url"] == "http://index.example/project/Example/"
    assert info["release_url"] == "http://index.example/project/Example/1.0/"


def test_metadata_is_what_the_artifact_says(site: Site, tmp_path: Path) -> None:
    fields = [
        ("Author-email", "Ada <ada@index.example>"),
        ("Classifier", "Programming Language :: Python :: 3"),
        ("Classifier", "Topic :: Utilities"),
        ("Dynamic", "author-email"),
        ("Home-page", "https://index.example/home"),
        ("Keywords", "one,two"),
        ("License-Expression", "mit or apache-2.0"),
        ("Platform", "any"),
        ("Platform", "other"),
        ("Project-URL", "homepage, https://index.example/home"),
        ("Project-URL", "Source, https://index.example/source"),
        ("Project-URL", "Source-Code, https://index.example/source"),
        ("Project-URL", "source code, https://index.example/source"),
        ("Project-URL", "SOURCE, https://index.example/other"),
        ("Provides-Extra", "fast"),
        ("Requires-Dist", "other>=1"),
        ("Requires-Dist", 'quick; extra == "fast"'),
    ]
    wheel = make_wheel(
        tmp_path,
        summary="Naïve.",
        description="# Ä",
        description_content_type="text/markdown",
        metadata_extra=fields,
        metadata_version="2.4",
    )
    publish(site, wheel)

    info = read(site, PROJECT)["info"]

    expected = {
        "author_email": "Ada <ada@index.example>",
        "classifiers": ["Programming Language :: Python :: 3", "Topic :: Utilities"],
        "description_content_type": "text/markdown",
        "dynamic": ["Author-Email"],
        "home_page": "https://index.example/home",
        "keywords": "one, two",
        "license_expression": "MIT OR Apache-2.0",
        "platform": "any",
        "project_urls": {
            "Homepage": "https://index.example/home",
            "Source": "https://index.example/source",
            "Source-Code": "https://index.example/source",
            "SOURCE": "https://index.example/other",
        },
        "provides_extra": ["fast"],
        "requires_dist": ["other>=1", 'quick; extra == "fast"'],
        "summary": "Naïve.",
    }
    assert {key: info[key] for key in expected} == expected
    assert info["description"].strip() == "# Ä"


def test_everybody_who_works_on_a_project_is_named_owners_first(site: Site, tmp_path: Path) -> None:
    publish(site, make_wheel(tmp_path))
    for username, role in (("zoe", RoleName.OWNER), ("bob", RoleName.MAINTAINER)):
        site.user(username)
        site.role("example", username, role)

    assert read(site, PROJECT)["ownership"] == {
        "organization": None,
        "roles": [
            {"role": "Owner", "user": "ada"},
            {"role": "Owner", "user": "zoe"},
            {"role": "Maintainer", "user": "bob"},
        ],
    }


def test_a_yanked_release_says_so_and_does_not_stand_for_the_project(
    site: Site, tmp_path: Path
) -> None:
    publish(site, make_wheel(tmp_path, version="1.0"), make_wheel(tmp_path, version="2.0"))
    with acting(site) as (uow, project):
        yanking.yank_release(uow, OPERATOR, project, "2.0", "broken")

    assert read(site, PROJECT)["info"]["version"] == "1.0"
    found = read(site, "/pypi/example/2.0/json")
    for yanked in (found["info"], found["urls"][0]):
        assert (yanked["yanked"], yanked["yanked_reason"]) == (True, "broken")


def test_a_yanked_file_says_so_alone(site: Site, tmp_path: Path) -> None:
    publish(site, make_wheel(tmp_path), make_sdist(tmp_path))
    with acting(site) as (uow, project):
        yanking.yank_file(uow, OPERATOR, project, "example-1.0.tar.gz", "broken")

    found = read(site, PROJECT)
    assert found["info"]["yanked"] is False
    assert [(file["yanked"], file["yanked_reason"]) for file in found["urls"]] == [
        (False, None),
        (True, "broken"),
    ]


def test_a_release_without_files_is_an_empty_list(site: Site, tmp_path: Path) -> None:
    publish(site, make_wheel(tmp_path, version="1.0"), make_wheel(tmp_path, version="2.0"))
    with acting(site) as (uow, project):
        removal.remove_file(uow, OPERATOR, project, "example-1.0-py3-none-any.whl")

    assert read(site, PROJECT)["releases"]["1.0"] == []
    assert read(site, "/pypi/example/1.0/json")["urls"] == []


def test_a_deleted_release_and_a_deleted_project_are_not_there(site: Site, tmp_path: Path) -> None:
    publish(site, make_wheel(tmp_path, version="1.0"), make_wheel(tmp_path, version="2.0"))
    with acting(site) as (uow, project):
        removal.remove_release(uow, OPERATOR, project, "2.0")
    assert list(read(site, PROJECT)["releases"]) == ["1.0"]
    assert fetch(site, "/pypi/example/2.0/json").status_int == 404

    with acting(site) as (uow, project):
        removal.remove_project(uow, OPERATOR, project)

    assert fetch(site, PROJECT).status_int == 404


def test_a_project_in_quarantine_is_described_without_its_files(site: Site, tmp_path: Path) -> None:
    publish(site, make_wheel(tmp_path))
    with acting(site) as (uow, project):
        projects.quarantine(uow, OPERATOR, project, "malware")

    found = read(site, PROJECT)
    assert (found["info"]["version"], found["urls"], found["releases"]) == ("1.0", [], {"1.0": []})
    assert read(site, "/pypi/example/1.0/json")["urls"] == []


def test_a_draft_changes_no_answer(site: Site, tmp_path: Path) -> None:
    publish(site, make_wheel(tmp_path, version="1.0"))
    before = fetch(site, PROJECT)

    with site.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        factories.stage(uow, ada, make_sdist(tmp_path, version="1.0"))
        factories.stage(uow, ada, make_sdist(tmp_path, version="2.0"))

    after = fetch(site, PROJECT)
    assert after.body == before.body
    assert after.headers["ETag"] == before.headers["ETag"]
    assert fetch(site, "/pypi/example/2.0/json").status_int == 404


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("/pypi/Example/json", PROJECT),
        ("/pypi/EXAMPLE/json/", PROJECT),
        ("/pypi//example/json", PROJECT),
        ("/pypi/Example/2.0.0RC1/json", RELEASE),
        ("/pypi/example/v1/json", "/pypi/example/1.0/json"),
    ],
)
def test_other_spellings_lead_to_the_one_address(
    stocked: StockedSite, path: str, canonical: str
) -> None:
    response = fetch(stocked.site, path)

    assert response.status_int == 301
    assert response.headers["Location"] == f"http://index.example{canonical}"
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/pypi/example/", "/project/Example/"),
        ("/pypi/example/1.0/", "/project/Example/1.0/"),
        ("/pypi/example/2.0rc1/", "/project/Example/2.0rc1/"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_addresses_above_lead_to_the_pages(
    stocked: StockedSite, path: str, leads_to: str, method: str
) -> None:
    response = fetch(stocked.site, path, method=method)

    assert response.status_int == 301
    assert response.headers["Location"] == f"http://index.example{leads_to}"
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/pypi/nothing/json",
        "/pypi/hidden/json",
        "/pypi/hidden/1.0/json",
        "/pypi/discarded/json",
        "/pypi/example/3.0/json",
        "/pypi/example/9/json",
        "/pypi/example/no-version/json",
        "/pypi/example/json/json",
        "/pypi/example/json/more",
        "/pypi/hidden/",
        "/pypi/example/3.0/",
        "/pypi/example/1.0/files",
        "/pypi/%00/json",
        "/pypi/%ed%a0%80/json",
        "/pypi/x%0a/json",
        "/pypi/" + "x" * 5000 + "/json",
        "/pypi/example/" + "9" * 5000 + "/json",
    ],
)
def test_what_is_not_there_is_said_in_json(stocked: StockedSite, path: str) -> None:
    response = fetch(stocked.site, path)

    assert response.status_int == 404
    assert response.headers["Content-Type"] == "application/json"
    assert json.loads(response.body) == {"message": "Not Found"}
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", [PROJECT, RELEASE])
def test_the_serial_is_in_a_header_and_is_that_of_the_simple_index(
    stocked: StockedSite, path: str
) -> None:
    response = fetch(stocked.site, path)

    serial = fetch(stocked.site, "/simple/example/").headers["X-PyPI-Last-Serial"]
    assert response.headers["X-PyPI-Last-Serial"] == serial
    assert json.loads(response.body)["last_serial"] == int(serial)


@pytest.mark.parametrize("path", [PROJECT, RELEASE])
def test_shared_caches_are_told_what_to_purge(stocked: StockedSite, path: str) -> None:
    headers = fetch(stocked.site, path).headers

    assert headers["Surrogate-Key"] == "project/example"
    assert headers["Cache-Control"] == "public, max-age=0, s-maxage=60, stale-if-error=300"
    assert headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("path", [PROJECT, RELEASE])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_client_that_has_the_answer_gets_304(
    stocked: StockedSite, path: str, method: str
) -> None:
    first = fetch(stocked.site, path, method=method)

    again = fetch(
        stocked.site, path, method=method, headers={"If-None-Match": first.headers["ETag"]}
    )

    assert (again.status_int, again.body) == (304, b"")
    kept = ("ETag", "Cache-Control", "Surrogate-Key", "X-PyPI-Last-Serial")
    assert {name: again.headers[name] for name in kept} == {
        name: first.headers[name] for name in kept
    }


@pytest.mark.parametrize("path", [PROJECT, RELEASE])
def test_head_says_what_get_would_say(stocked: StockedSite, path: str) -> None:
    get, head = fetch(stocked.site, path), fetch(stocked.site, path, method="HEAD")

    assert head.body == b""
    assert sorted(head.headers.items()) == sorted(get.headers.items())


@pytest.mark.parametrize("path", [PROJECT, RELEASE])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "BREW"])
def test_it_is_only_read(stocked: StockedSite, path: str, method: str) -> None:
    response = fetch(stocked.site, path, method=method)

    assert response.status_int == 405
    assert set(response.allow or ()) == {"GET", "HEAD", "OPTIONS"}
    assert "GET" in json.loads(response.body)["message"]


@pytest.mark.parametrize("path", [PROJECT, RELEASE])
def test_scripts_of_other_origins_may_ask_for_it(stocked: StockedSite, path: str) -> None:
    response = fetch(stocked.site, path, method="OPTIONS")

    assert response.status_int == 204
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-PyPI-Last-Serial" in response.headers["Access-Control-Expose-Headers"]


def test_the_reference_has_every_field(stocked: StockedSite) -> None:
    reference = (paths.DOCS / "http.md").read_text(encoding="utf-8")
    _, _, table = reference.partition("### Every field")
    rows = [row for row in table.partition("\n## ")[0].splitlines() if row.startswith("|")]
    named = {name for row in rows for name in re.findall(r"`([\w-]+)`", row.split("|")[1])}

    project = read(stocked.site, PROJECT)

    told = {*project["info"], *project["urls"][0], *project} - {"info", "urls"}
    assert told - named == set()
    of_adopted = {"adopted_from"}  # tests/web/pages/test_upstream_projects.py has one
    assert named - {"info", "urls", "releases"} - of_adopted <= told
