"""Where an index's Upload 2.0 is, and where staged legacy uploads go."""

import pytest

from twine_stage.connection import check_origin, printable
from twine_stage.errors import Failure
from twine_stage.target import staged_url, upload_root


@pytest.mark.parametrize(
    ("repository", "root"),
    [
        ("https://index.example/legacy/", "https://index.example/upload/2.0/"),
        ("https://index.example/legacy", "https://index.example/upload/2.0/"),
        ("https://index.example/team/legacy/", "https://index.example/team/upload/2.0/"),
        (
            "https://index.example:8443/legacy/?staged=true",
            "https://index.example:8443/upload/2.0/",
        ),
        ("https://index.example/upload/2.0/", "https://index.example/upload/2.0/"),
        ("https://index.example/simple/", None),
        ("https://index.example/", None),
        ("https://index.example/mylegacy/", None),
    ],
)
def test_the_root_follows_from_the_repository(repository: str, root: str | None) -> None:
    assert upload_root(repository) == root


@pytest.mark.parametrize(
    ("repository", "staged"),
    [
        ("https://index.example/legacy/", "https://index.example/legacy/?staged=true"),
        ("https://index.example/legacy/?staged=true", "https://index.example/legacy/?staged=true"),
        ("https://index.example/legacy/?staged=false", "https://index.example/legacy/?staged=true"),
        (
            "https://index.example/legacy/?a=1&draft=true",
            "https://index.example/legacy/?a=1&staged=true",
        ),
    ],
)
def test_the_flag_is_there_once(repository: str, staged: str) -> None:
    assert staged_url(repository) == staged


@pytest.mark.parametrize(
    "url",
    [
        "http://index.example/x",
        "https://index.example:8443/x",
        "https://index.example.evil.example/x",
        "https://evil.example/index.example/",
        "//index.example/x",
        "/x",
    ],
)
def test_credentials_have_one_home(url: str) -> None:
    with pytest.raises(Failure, match="they go nowhere else"):
        check_origin(url, "https://index.example/legacy/")


def test_case_makes_no_other_home() -> None:
    check_origin("HTTPS://Index.Example/x", "https://index.example/legacy/")


def test_text_of_an_index_does_nothing_to_a_terminal() -> None:
    assert printable("a\x1b[31mb\nc") == "a [31mb c"
