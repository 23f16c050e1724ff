"""The bytes of a simple index: a pure function of what it lists. PEP 833 freezes the HTML."""

import json
from datetime import UTC, datetime

import pytest
from packaging.utils import parse_sdist_filename, parse_wheel_filename
from pypi_simple import ProjectPage

from greenroom.models import ProjectStatus
from greenroom.registry.catalogue import ListedFile, ListedProject, Listing
from greenroom.web.http.urls import published_file_path
from greenroom.web.index import simple_rendering

SDIST = ListedFile(
    filename="example-1.0.tar.gz",
    version="1.0",
    sha256="aa" * 32,
    size=1234,
    upload_time=datetime(2026, 6, 1, 12, 0, 0, 250_000, tzinfo=UTC),
    requires_python=None,
    yanked=False,
    yanked_reason="",
    metadata_sha256=None,
    packagetype="sdist",
    python_tag="source",
    md5="0" * 32,
    blake2_256="0" * 64,
)
WHEEL = ListedFile(
    filename="example-1.0-py3-none-any.whl",
    version="1.0",
    sha256="bb" * 32,
    size=5,
    upload_time=datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC),
    requires_python=">=3.9,<4",
    yanked=False,
    yanked_reason="",
    metadata_sha256="cc" * 32,
    packagetype="bdist_wheel",
    python_tag="py3",
    md5="0" * 32,
    blake2_256="0" * 64,
)
YANKED = ListedFile(
    filename="example-1!2.0-py3-none-any.whl",
    version="1!2.0",
    sha256="dd" * 32,
    size=2**33,
    upload_time=datetime(2026, 6, 2, tzinfo=UTC),
    requires_python=None,
    yanked=True,
    yanked_reason='breaks "it" & <b>that\'s</b>',
    metadata_sha256="ee" * 32,
    packagetype="bdist_wheel",
    python_tag="py3",
    md5="0" * 32,
    blake2_256="0" * 64,
)
YANKED_SILENTLY = ListedFile(
    filename="example-1!3.0.tar.gz",
    version="1!3.0",
    sha256="ff" * 32,
    size=0,
    upload_time=datetime(2026, 6, 2, tzinfo=UTC),
    requires_python="",
    yanked=True,
    yanked_reason="",
    metadata_sha256=None,
    packagetype="sdist",
    python_tag="source",
    md5="0" * 32,
    blake2_256="0" * 64,
)
LISTING = Listing(
    name="example",
    last_serial=42,
    status=ProjectStatus.ACTIVE,
    status_reason="",
    versions=("1.0", "1!2.0", "1!3.0"),
    files=(WHEEL, SDIST, YANKED, YANKED_SILENTLY),
)
PROJECTS = [ListedProject("a", 7), ListedProject("example", 42)]

# These are frozen. What is new in the specifications goes into JSON only.
PROJECTS_HTML = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="1.4">
<title>Simple index</title>
</head>
<body>
<h1>Simple index</h1>
<a href="a/">a</a><br />
<a href="example/">example</a><br />
</body>
</html>
<!--SERIAL 42-->"""

PROJECT_HTML = f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="1.4">
<meta name="pypi:project-status" content="active">
<title>Links for example</title>
</head>
<body>
<h1>Links for example</h1>
<a href="../../packages/bb/bb/{"b" * 60}/example-1.0-py3-none-any.whl#sha256={"b" * 64}" \
data-requires-python="&gt;=3.9,&lt;4" \
data-core-metadata="sha256={"c" * 64}" data-dist-info-metadata="sha256={"c" * 64}"\
>example-1.0-py3-none-any.whl</a><br />
<a href="../../packages/aa/aa/{"a" * 60}/example-1.0.tar.gz#sha256={"a" * 64}"\
>example-1.0.tar.gz</a><br />
<a href="../../packages/dd/dd/{"d" * 60}/example-1!2.0-py3-none-any.whl#sha256={"d" * 64}" \
data-yanked="breaks &quot;it&quot; &amp; &lt;b&gt;that&#x27;s&lt;/b&gt;" \
data-core-metadata="sha256={"e" * 64}" data-dist-info-metadata="sha256={"e" * 64}"\
>example-1!2.0-py3-none-any.whl</a><br />
<a href="../../packages/ff/ff/{"f" * 60}/example-1!3.0.tar.gz#sha256={"f" * 64}" \
data-yanked="">example-1!3.0.tar.gz</a><br />
</body>
</html>
<!--SERIAL 42-->"""


def link(file: ListedFile) -> str:
    return f"../../{published_file_path(file.sha256, file.filename)}"


def test_the_list_of_projects_in_html_is_frozen() -> None:
    assert simple_rendering.projects_html(PROJECTS, 42).decode() == PROJECTS_HTML


def test_the_page_of_a_project_in_html_is_frozen() -> None:
    assert simple_rendering.project_html(LISTING, link).decode() == PROJECT_HTML


def test_an_empty_index_is_a_page_like_any_other() -> None:
    assert simple_rendering.projects_html([], 0).decode() == PROJECTS_HTML.replace(
        '<a href="a/">a</a><br />\n<a href="example/">example</a><br />\n', ""
    ).replace("42", "0")
    assert json.loads(simple_rendering.projects_json([], 0))["projects"] == []


def test_the_list_of_projects_in_json() -> None:
    assert json.loads(simple_rendering.projects_json(PROJECTS, 42)) == {
        "meta": {"api-version": "1.4", "_last-serial": 42},
        "projects": [
            {"name": "a", "_last-serial": 7},
            {"name": "example", "_last-serial": 42},
        ],
    }


def test_the_page_of_a_project_in_json() -> None:
    page = json.loads(simple_rendering.project_json(LISTING, link))

    files = page.pop("files")
    assert page == {
        "meta": {"api-version": "1.4", "_last-serial": 42},
        "name": "example",
        "project-status": {"status": "active"},
        "versions": ["1.0", "1!2.0", "1!3.0"],
    }
    assert files[0] == {
        "filename": "example-1.0-py3-none-any.whl",
        "url": f"../../packages/bb/bb/{'b' * 60}/example-1.0-py3-none-any.whl",
        "hashes": {"sha256": "b" * 64},
        "requires-python": ">=3.9,<4",
        "size": 5,
        "upload-time": "2026-06-01T12:00:00.000000Z",
        "yanked": False,
        "core-metadata": {"sha256": "c" * 64},
        "data-dist-info-metadata": {"sha256": "c" * 64},
    }
    assert files[1] == {
        "filename": "example-1.0.tar.gz",
        "url": f"../../packages/aa/aa/{'a' * 60}/example-1.0.tar.gz",
        "hashes": {"sha256": "a" * 64},
        "requires-python": None,
        "size": 1234,
        "upload-time": "2026-06-01T12:00:00.250000Z",
        "yanked": False,
        "core-metadata": False,
        "data-dist-info-metadata": False,
    }
    assert files[2]["yanked"] == 'breaks "it" & <b>that\'s</b>'
    assert files[3]["yanked"] is True


@pytest.mark.parametrize("form", ["html", "json"])
def test_installers_read_the_same_out_of_both_forms(form: str) -> None:
    page = parsed(form)

    assert page.project == "example"
    assert page.repository_version == "1.4"
    assert str(page.status) == "active"
    assert [package.filename for package in page.packages] == [
        file.filename for file in LISTING.files
    ]
    for package, file in zip(page.packages, LISTING.files, strict=True):
        assert package.url == f"https://index.example/{published_file_path(file.sha256, '')}" + (
            file.filename
        )
        assert package.digests == {"sha256": file.sha256}
        assert package.requires_python == (file.requires_python or None)
        assert package.is_yanked == file.yanked
        assert (package.yanked_reason or "") == file.yanked_reason
        assert bool(package.has_metadata) == (file.metadata_sha256 is not None)
        if file.metadata_sha256 is not None:
            assert package.metadata_digests == {"sha256": file.metadata_sha256}


def test_only_json_has_sizes_times_and_versions() -> None:
    page = parsed("json")

    assert page.versions == ["1.0", "1!2.0", "1!3.0"]
    assert [package.size for package in page.packages] == [5, 1234, 2**33, 0]
    assert page.packages[1].upload_time == SDIST.upload_time
    assert parsed("html").packages[1].upload_time is None


def test_a_link_ends_in_the_file_name_that_installers_parse() -> None:
    for package in parsed("html").packages:
        if package.filename.endswith(".whl"):
            parse_wheel_filename(package.filename)
        else:
            parse_sdist_filename(package.filename)


@pytest.mark.parametrize("text", ['"><script>', "--><!--", "a\nb", "café", "\U0001d518"])
def test_nobody_s_text_leaves_its_place(text: str) -> None:
    file = SDIST._replace(requires_python=text, yanked=True, yanked_reason=text)
    listing = Listing("a", 1, ProjectStatus.ARCHIVED, text, ("1",), (file,))

    html = simple_rendering.project_html(listing, link).decode()
    page = ProjectPage.from_html("a", html, base_url="https://index.example/simple/a/")
    assert page.packages[0].yanked_reason == text
    assert page.packages[0].requires_python == text
    assert page.status_reason == text
    page_json = json.loads(simple_rendering.project_json(listing, link))
    found = page_json["files"][0]
    assert (found["yanked"], found["requires-python"]) == (text, text)
    assert page_json["project-status"] == {"status": "archived", "reason": text}


def parsed(form: str) -> ProjectPage:
    base = "https://index.example/simple/example/"
    if form == "html":
        html = simple_rendering.project_html(LISTING, link)
        return ProjectPage.from_html("example", html, base_url=base)
    data = json.loads(simple_rendering.project_json(LISTING, link))
    return ProjectPage.from_json_data(data, base_url=base)
