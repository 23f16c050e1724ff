"""Names and versions: what they look like, which are the same, which nobody gets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from greenroom.registry.errors import InvalidMetadata, NameNotAvailable
from greenroom.registry.names import (
    canonical_version,
    check_not_prohibited,
    check_project_name,
    check_version,
    confusable_form,
    is_username,
    lookup_name,
)


@pytest.mark.parametrize(
    ("name", "normalized"),
    [
        ("a", "a"),
        ("7", "7"),
        ("Example", "example"),
        ("zope.interface", "zope-interface"),
        ("a__b.-c", "a-b-c"),
        ("x" * 200, "x" * 200),
    ],
)
def test_a_name_is_normalized(name: str, normalized: str) -> None:
    assert check_project_name(name) == normalized
    assert lookup_name(name) == normalized


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-a",
        "a-",
        "_a",
        "a.",
        "a b",
        "a/b",
        "naïve",
        "a\n",
        "a\0b",
        "\u212a",
        "\udcff",
        "x" * 201,
    ],
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidMetadata, match="is an invalid value for Name"):
        check_project_name(name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a\0b", "\udcff", "naïve"])
def test_what_is_no_name_is_the_name_of_no_project(name: str) -> None:
    assert lookup_name(name) == ""


TOP_LEVEL = [
    *("json", "JSON", "os", "xml", "asyncio", "test", "this", "py-compile", "py.compile"),
    *("cgi", "distutils", "imp", "asyncore", "telnetlib", "audioop", "lib2to3", "smtpd"),
    *("urllib2", "httplib", "StringIO", "cPickle", "SimpleHTTPServer", "md5"),
    *("annotationlib", "compression", "tomllib", "msvcrt", "winreg", "curses", "tkinter"),
    *("main", "requirements.txt"),
]
"""Modules of today, of yesterday, of Python 2, of tomorrow and of other systems; and the like."""

IN_PACKAGES = [
    *("xmlrpc.server", "XMLRPC_Server", "distutils.command", "distutils-command-build-ext"),
    *("os.path", "email.mime.text", "concurrent.futures", "unittest.mock", "urllib.request"),
    *("compression.zstd", "dbm.gnu", "encodings.utf-8", "importlib.abc", "test.support"),
]


@pytest.mark.parametrize("name", TOP_LEVEL)
@pytest.mark.parametrize("private", [False, True])
def test_nobody_gets_the_name_of_a_standard_module(name: str, private: bool) -> None:
    with pytest.raises(NameNotAvailable, match="isn't allowed"):
        check_not_prohibited(name, check_project_name(name), private=private)


@pytest.mark.parametrize("name", IN_PACKAGES)
def test_modules_in_standard_packages_are_for_private_indexes(name: str) -> None:
    with pytest.raises(NameNotAvailable, match="standard library"):
        check_not_prohibited(name, check_project_name(name))
    check_not_prohibited(name, check_project_name(name), private=True)


@pytest.mark.parametrize(
    "name",
    [
        *("importlib-metadata", "importlib_resources", "dataclasses", "typing", "argparse"),
        *("configparser", "contextvars", "ipaddress", "pathlib", "statistics", "Typing"),
        *("typing-extensions", "json5", "futures", "future", "mock", "tomli", "server"),
    ],
)
@pytest.mark.parametrize("private", [False, True])
def test_backports_and_names_that_only_resemble_a_module_are_free(name: str, private: bool) -> None:
    check_not_prohibited(name, check_project_name(name), private=private)


@pytest.mark.parametrize("prohibited", ["acme-core", "Acme.Core", "ACME__core"])
def test_nobody_gets_a_name_that_the_operator_prohibits(prohibited: str) -> None:
    with pytest.raises(NameNotAvailable, match="isn't allowed on this index"):
        check_not_prohibited("Acme_Core", "acme-core", ["other", prohibited])


def test_another_name_is_not_prohibited() -> None:
    check_not_prohibited("example", "example", ["examples", "xample"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("flask", "f1ask"),
        ("flask", "fiask"),
        ("foo", "f00"),
        ("foo-bar", "foobar"),
        ("il10", "llio"),
    ],
)
def test_names_that_look_alike_have_one_form(one: str, other: str) -> None:
    assert confusable_form(one) == confusable_form(other)


def test_names_that_differ_keep_different_forms() -> None:
    assert confusable_form("example") != confusable_form("examples")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1.0", "1"),
        ("1.0.0", "1"),
        ("1", "1"),
        ("0.0", "0"),
        ("v1.2.0rc1", "1.2rc1"),
        ("1.0.post0", "1.post0"),
        ("1!2.0", "1!2"),
        ("1.10", "1.10"),
        ("1.0.dev3", "1.dev3"),
        ("1.0+Local.1", "1+local.1"),
    ],
)
def test_versions_have_one_form_for_all_spellings(text: str, canonical: str) -> None:
    assert canonical_version(Version(text)) == canonical


_NUMBERS = st.integers(min_value=0, max_value=2)
_SUFFIXES = st.one_of(st.just(""), _NUMBERS.map(str))
_VERSIONS = st.builds(
    lambda epoch, release, pre, post, dev: Version(f"{epoch}{release}{pre}{post}{dev}"),
    st.sampled_from(["", "0!", "1!"]),
    st.lists(_NUMBERS, min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts))),
    st.sampled_from(["", "a0", "b1", "rc1", ".alpha.1"]),
    st.sampled_from(["", ".post0", "-1", ".post1"]),
    st.sampled_from(["", ".dev0", ".dev1"]),
)


@given(_VERSIONS, _VERSIONS)
def test_versions_are_equal_exactly_if_their_forms_are(one: Version, other: Version) -> None:
    assert (canonical_version(one) == canonical_version(other)) == (one == other)
    assert Version(canonical_version(one)) == one


@pytest.mark.parametrize("text", ["", "one", "1.0-", "1..0", "1.0\0", "1" * 101, "\u0661.0"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InvalidMetadata, match="is an invalid value for Version"):
        check_version(text, private=True)


@pytest.mark.parametrize("text", ["1." * 149 + "10", "1.0." + "0" * 296, "1.0rc" + "1" * 295])
def test_a_version_that_is_too_long_is_refused_for_its_length(text: str) -> None:
    with pytest.raises(InvalidMetadata, match=r"has 300 characters, and .* at most 100") as refused:
        check_version(text, private=False)
    assert "PEP 440" not in str(refused.value)


def test_a_name_that_is_too_long_is_refused_for_its_length() -> None:
    with pytest.raises(InvalidMetadata, match=r"has 201 characters, and .* at most 200") as refused:
        check_project_name("x" * 201)
    assert "letter" not in str(refused.value)


def test_a_public_index_takes_no_local_versions() -> None:
    with pytest.raises(InvalidMetadata, match=r"local version"):
        check_version("1.0+ours", private=False)
    assert check_version("1.0+ours", private=True) == Version("1.0+ours")


@pytest.mark.parametrize("name", ["a", "Ada", "ada.b-c_d", "a" * 50, "7up"])
def test_user_names(name: str) -> None:
    assert is_username(name)


@pytest.mark.parametrize("name", ["", ".a", "a-", "a b", "é", "a" * 51, "a\0", "a\n", "a@b"])
def test_what_is_no_user_name(name: str) -> None:
    assert not is_username(name)
