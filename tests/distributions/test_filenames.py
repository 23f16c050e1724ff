"""Which file names are names of distributions, and what they tell."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from greenroom.distributions.errors import InvalidFilename
from greenroom.distributions.filenames import (
    SdistName,
    WheelName,
    packagetype_of,
    parse_filename,
    parse_sdist_filename,
    parse_wheel_filename,
)


def test_an_sdist_name_tells_project_and_version() -> None:
    assert parse_filename("my_project-1.0rc1.tar.gz") == SdistName(
        "my_project-1.0rc1.tar.gz", "my-project", Version("1.0rc1")
    )


def test_an_sdist_has_source_as_its_python_tag() -> None:
    named = parse_filename("example-1.0.tar.gz")
    assert (named.packagetype, named.python_tag, named.build) == ("sdist", "source", None)


def test_a_wheel_name_tells_project_version_build_and_tags() -> None:
    assert parse_filename("my_project-1!2.0.post1-3a-cp312-abi3-win_amd64.whl") == WheelName(
        filename="my_project-1!2.0.post1-3a-cp312-abi3-win_amd64.whl",
        name="my-project",
        version=Version("1!2.0.post1"),
        build="3a",
        python_tag="cp312",
        abi_tag="abi3",
        platform_tag="win_amd64",
    )


def test_compressed_tags_are_told_as_they_stand() -> None:
    named = parse_wheel_filename("example-1.0-py2.py3-none-any.whl")
    assert (named.packagetype, named.python_tag, named.build) == ("bdist_wheel", "py2.py3", None)


@pytest.mark.parametrize(
    ("filename", "packagetype"),
    [("example-1.0.tar.gz", "sdist"), ("example-1.0-py3-none-any.whl", "bdist_wheel")],
)
def test_the_ending_tells_the_package_type(filename: str, packagetype: str) -> None:
    assert packagetype_of(filename) == packagetype


@pytest.mark.parametrize(
    "filename",
    [
        "example-1.0.zip",
        "example-1.0.tar.bz2",
        "example-1.0.tgz",
        "example-1.0-py3.12.egg",
        "example-1.0.exe",
        "example-1.0.TAR.GZ",
        "example-1.0-py3-none-any.whl.metadata",
        "example",
        "",
    ],
)
def test_other_endings_are_refused(filename: str) -> None:
    with pytest.raises(InvalidFilename):
        packagetype_of(filename)
    with pytest.raises(InvalidFilename):
        parse_filename(filename)


@pytest.mark.parametrize(
    "platform",
    [
        "any",
        "manylinux1_x86_64",
        "manylinux2010_i686",
        "manylinux2014_aarch64",
        "manylinux_2_28_x86_64",
        "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "musllinux_1_2_riscv64",
        "macosx_11_0_arm64",
        "macosx_10_9_universal2",
        "win32",
        "win_amd64",
        "win_arm64",
        "android_21_arm64_v8a",
        "ios_13_0_arm64_iphoneos",
        "ios_13_0_x86_64_iphonesimulator",
        "pyemscripten_2026_0_wasm32",
    ],
)
def test_platforms_that_installers_know_are_accepted(platform: str) -> None:
    named = parse_wheel_filename(f"example-1.0-cp312-cp312-{platform}.whl")
    assert named.platform_tag == platform


@pytest.mark.parametrize(
    "platform",
    [
        "manylinux_x86_64",
        "manylinux2015_x86_64",
        "musllinux1_x86_64",
        "macosx_arm64",
        "windows",
        "win64",
        "freebsd_14_0_amd64",
        "anything",
        "any.",
        ".any",
        "any.plan9",
        "pyemscripten_26_0_wasm32",
        "pyemscripten_2026_0_wasm64",
        "pyemscripten_2026_0",
        "pyodide_2024_wasm32",
        "emscripten_3_1_58_wasm32",
    ],
)
def test_other_platforms_are_refused(platform: str) -> None:
    with pytest.raises(InvalidFilename, match=r"platform tag|form"):
        parse_filename(f"example-1.0-cp312-cp312-{platform}.whl", private=True)


def test_a_wheel_for_one_linux_machine_is_refused_with_advice() -> None:
    with pytest.raises(InvalidFilename, match="manylinux"):
        parse_filename("example-1.0-cp312-cp312-linux_x86_64.whl")


def test_a_wheel_for_one_release_of_pyodide_is_refused_with_advice() -> None:
    with pytest.raises(InvalidFilename, match=r"pyemscripten \(PEP 783\)"):
        parse_filename("example-1.0-cp312-cp312-pyodide_2024_0_wasm32.whl")


def test_a_private_index_takes_wheels_for_one_release_of_pyodide() -> None:
    filename = "example-1.0-cp312-cp312-pyodide_2024_0_wasm32.whl"
    named = parse_filename(filename, private=True)
    assert isinstance(named, WheelName)
    assert named.platform_tag == "pyodide_2024_0_wasm32"


@pytest.mark.parametrize(
    "tag", ["CP313-CP313-Win_amd64", "Py3-None-Any", "cp313-abi3-MANYLINUX_2_28_x86_64"]
)
def test_tags_may_be_in_any_letter_case(tag: str) -> None:
    named = parse_wheel_filename(f"example-1.0-{tag}.whl")
    assert named.filename == f"example-1.0-{tag}.whl"
    assert f"{named.python_tag}-{named.abi_tag}-{named.platform_tag}" == tag.lower()


def test_a_wheel_for_one_linux_machine_is_refused_in_any_letter_case() -> None:
    with pytest.raises(InvalidFilename, match="fits only the machine"):
        parse_filename("example-1.0-cp312-cp312-Linux_x86_64.whl")


def test_a_private_index_takes_wheels_for_one_linux_machine() -> None:
    named = parse_filename("example-1.0-cp312-cp312-linux_x86_64.whl", private=True)
    assert named.python_tag == "cp312"


@pytest.mark.parametrize("name", ["Example", "my-project", "my.project", "my__project", "_x", "x_"])
@pytest.mark.parametrize("rest", ["-1.0.tar.gz", "-1.0-py3-none-any.whl"])
def test_the_project_must_be_written_normalized(name: str, rest: str) -> None:
    with pytest.raises(InvalidFilename):
        parse_filename(name + rest)


def test_the_refusal_says_how_the_project_should_be_written() -> None:
    with pytest.raises(InvalidFilename, match=r"begin with 'my_project' rather than 'My\.Project'"):
        parse_filename("My.Project-1.0.tar.gz")


@pytest.mark.parametrize("version", ["1.0-rc1", "1.0.RC1", "v1.0", "01.0", "1.0_1", "x", "", "1."])
@pytest.mark.parametrize("ending", [".tar.gz", "-py3-none-any.whl"])
def test_the_version_must_be_written_normalized(version: str, ending: str) -> None:
    with pytest.raises(InvalidFilename):
        parse_filename(f"example-{version}{ending}")


@pytest.mark.parametrize("version", ["1.0.0", "1.0+local.1", "1!1", "2.0.dev3"])
def test_normalized_versions_are_taken_as_they_are(version: str) -> None:
    assert parse_filename(f"example-{version}.tar.gz").version == Version(version)


@pytest.mark.parametrize(
    "filename",
    [
        "example-1.0-b1-py3-none-any.whl",
        "example-1.0--py3-none-any.whl",
        "example-1.0-py3-any.whl",
        "example-1.0-1-2-py3-none-any.whl",
        "example-1.0-py3..py2-none-any.whl",
        "example-1.0-py3-no+ne-any.whl",
        "example-1.0-py3-none-.whl",
        ".whl",
    ],
)
def test_malformed_wheel_names_are_refused(filename: str) -> None:
    with pytest.raises(InvalidFilename):
        parse_wheel_filename(filename)


@pytest.mark.parametrize(
    "filename",
    [
        "../example-1.0.tar.gz",
        "/example-1.0.tar.gz",
        "a\\example-1.0.tar.gz",
        'exa"mple-1.0.tar.gz',
        "exa'mple-1.0.tar.gz",
        "example-1.0\n.tar.gz",
        "example-1.0.tar.gz\n",
        "example-1.0\0.tar.gz",
        "exa mple-1.0.tar.gz",
        ".example-1.0.tar.gz",
        "exämple-1.0.tar.gz",
        "example-1.0\u0660.tar.gz",
        "example\u200b-1.0.tar.gz",
        "e" * 300 + "-1.0.tar.gz",
    ],
)
def test_unsafe_characters_are_refused(filename: str) -> None:
    with pytest.raises(InvalidFilename, match=r"characters") as refusal:
        parse_filename(filename)
    assert str(refusal.value).isascii()


@pytest.mark.parametrize("filename", ["example-1.0", "example.tar.gz", "example-1.0.zip"])
def test_malformed_sdist_names_are_refused(filename: str) -> None:
    with pytest.raises(InvalidFilename, match="PEP 625"):
        parse_sdist_filename(filename)


def test_a_name_of_255_characters_is_not_too_long() -> None:
    filename = "e" * (255 - len("-1.0.tar.gz")) + "-1.0.tar.gz"
    assert parse_sdist_filename(filename).filename == filename


def test_everything_that_is_wrong_with_a_name_is_said() -> None:
    with pytest.raises(InvalidFilename) as refusal:
        parse_filename("Example-v1-x-py3+-none-plan9.whl")
    assert len(refusal.value.reasons) == 5


@given(
    st.text(max_size=40),
    st.sampled_from(["", ".tar.gz", ".whl", "-1.0.tar.gz", "-1.0-py3-none-any.whl"]),
)
def test_any_text_is_parsed_or_refused(text: str, ending: str) -> None:
    with contextlib.suppress(InvalidFilename):
        assert parse_filename(text + ending).filename == text + ending
