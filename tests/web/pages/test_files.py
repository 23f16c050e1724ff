"""The files of a release on its pages: in groups, in words, filtered without a script."""

from pathlib import Path

import pytest

from greenroom.registry import accounts
from greenroom.web.pages.platforms import platforms_in_words, python_in_words
from greenroom.web.pages.templating import filesize
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.web.conftest import Site
from tests.web.reading import attribute, text, the

pytestmark = pytest.mark.usefixtures("account")

_PLATFORMS = (
    "manylinux_2_17_x86_64.manylinux2014_x86_64",
    "macosx_11_0_arm64",
    "win_amd64",
)
_PYTHONS = ("cp39-cp39", "cp312-cp312", "cp313-cp313t")


def many_files(folder: Path) -> list[Path]:
    wheels = [make_wheel(folder, tag=f"{py}-{on}") for py in _PYTHONS for on in _PLATFORMS]
    return [make_sdist(folder), make_wheel(folder), *wheels]


@pytest.fixture
def address(request: pytest.FixtureRequest, site: Site, tmp_path: Path) -> str:
    """Where many files are shown: in a draft for everybody, for its people, or published."""
    files = many_files(tmp_path)
    with site.services.writing() as uow:
        ada = accounts.get_user(uow.db, "ada")
        if request.param == "published":
            factories.release(uow, ada, *files)
            return "/project/example/1.0/"
        slug = factories.stage(uow, ada, *files).slug
    return f"/draft/{slug}/" if request.param == "shared" else "/manage/project/example/draft/1.0/"


EVERYWHERE = pytest.mark.parametrize("address", ["shared", "managed", "published"], indirect=True)


@EVERYWHERE
def test_files_are_in_groups_with_words_and_a_total(
    site: Site, address: str, tmp_path: Path
) -> None:
    page = site.sign_in().get(address)

    groups = [row.get_text().strip() for row in page.html.select(".files tr.group")]
    assert groups == [
        "Source distribution",
        "Wheels for Python 3",
        "Wheels for CPython 3.9",
        "Wheels for CPython 3.12",
        "Wheels for CPython 3.13, free-threaded",
    ]
    words = [cell.get_text().strip() for cell in page.html.select("td[data-label='Runs on']")]
    assert words[2:5] == [
        "Linux x86-64, glibc 2.17 or newer",
        "macOS 11.0 or newer, Apple silicon",
        "Windows x86-64",
    ]
    size = sum(path.stat().st_size for path in many_files(tmp_path))
    assert f"11 files, {filesize(size)} in all" in text(page)


@EVERYWHERE
def test_a_filter_finds_files_by_the_words_of_a_row(site: Site, address: str) -> None:
    browser = site.sign_in()

    form = next(f for f in browser.get(address).forms.values() if "files" in f.fields)
    form["files"] = "3.12 Windows"
    page = form.submit()

    assert [a.get_text() for a in page.html.select("td.file > a:first-child")] == [
        "example-1.0-cp312-cp312-win_amd64.whl"
    ]
    assert "1 of 11 files" in text(page)
    assert attribute(the("#files-filter", page), "value") == "3.12 Windows"
    assert "No file has all of these words" in text(browser.get(f"{address}?files=haiku"))
    browser.get(f"{address}?files=a&files=b", status=400)


@pytest.mark.parametrize("address", ["published"], indirect=True)
def test_owners_find_manage_on_their_public_pages(site: Site, address: str) -> None:
    manage = "/manage/project/example/release/1.0/"

    for path in ("/project/example/", address):
        assert f'href="{manage}">Manage' in site.sign_in().get(path).text
        assert "Manage" not in text(site.app.get(path))


@pytest.mark.parametrize(
    ("python", "abi", "words"),
    [
        ("py3", "none", "Python 3"),
        ("py2.py3", "none", "Python 2 and 3"),
        ("cp310", "cp310", "CPython 3.10"),
        ("cp38", "abi3", "CPython 3.8 or newer"),
        ("cp313", "cp313t", "CPython 3.13, free-threaded"),
        ("pp310", "pypy310_pp73", "PyPy 3.10"),
        ("cp311.cp312", "none", "CPython 3.11 and CPython 3.12"),
        ("graalpy240", "none", "graalpy240"),
    ],
)
def test_pythons_in_words(python: str, abi: str, words: str) -> None:
    assert python_in_words(python, abi) == words


@pytest.mark.parametrize(
    ("platform", "words"),
    [
        ("any", "Any platform"),
        ("win32", "Windows 32-bit x86"),
        ("win_arm64", "Windows ARM64"),
        ("macosx_10_9_universal2", "macOS 10.9 or newer, Apple silicon and Intel"),
        ("musllinux_1_2_aarch64", "Linux ARM64, musl 1.2 or newer"),
        ("manylinux1_i686.manylinux2010_i686", "Linux 32-bit x86, glibc 2.5 or newer"),
        ("android_21_arm64_v8a", "Android ARM64, API 21 or newer"),
        ("ios_13_0_arm64_iphoneos", "iOS 13.0 or newer, ARM64"),
        ("pyodide_2024_0_wasm32", "WebAssembly, 2024.0"),
        ("somewhere_else", "somewhere_else"),
    ],
)
def test_platforms_in_words(platform: str, words: str) -> None:
    assert platforms_in_words(platform) == words
