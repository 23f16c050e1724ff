"""Media types and their parameters, as RFC 9110 has them."""

import pytest

from greenroom.web.http.media_types import media_type, parameter


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("text/html", "text/html"),
        ("Text/HTML;Charset=utf-8", "text/html"),
        (" text/html ; a=b", "text/html"),
        ("text/html;", "text/html"),
        ("application/vnd.pypi.upload.v2+json", "application/vnd.pypi.upload.v2+json"),
        (None, ""),
        ("", ""),
        ("text", ""),
        ("text/", ""),
        ("text/html a=b", ""),
        ("text /html", ""),
        ("text/html, text/plain", ""),
        ("text/h\xe9", ""),
        ("; a=b", ""),
    ],
)
def test_a_media_type_is_in_lower_case_and_without_parameters(
    header: str | None, expected: str
) -> None:
    assert media_type(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("a/b; x=1", "1"),
        ("a/b;x=1", "1"),
        ("a/b ; X=One", "One"),
        ('a/b; x="1"', "1"),
        ('a/b; x=""', ""),
        (r'a/b; x="a\"b\\c\d"', r'a"b\cd'),
        ('a/b; y="; x=2"; x=1', "1"),
        ("a/b;; x=1 ;", "1"),
        ("a/b;\tx=1", "1"),
        ("a/b", None),
        ("a/b; y=1", None),
        ("a/b; x", None),
        ("a/b; x=", None),
        ("a/b; x = 1", None),
        ("a/b; x=1; x=1", None),
        ("a/b; x=1; X=2", None),
        ('a/b; x="1', None),
        ('a/b; x=1; y="', None),
        ("a/b; x=a b", None),
        ('a/b; x="\0"', None),
        ("a; x=1", None),
        (None, None),
    ],
)
def test_a_parameter_is_a_token_or_quoted(header: str | None, expected: str | None) -> None:
    assert parameter(header, "x") == expected
