"""Which form of a simple page a request gets (PEP 691)."""

import json
from functools import partial

import pytest
import webob

from greenroom.web.http.cors import preflight
from greenroom.web.http.request import Request
from greenroom.web.index import simple_rendering
from greenroom.web.index.simple_negotiation import answer, preferred

HTML = "text/html"
HTML_V1 = "application/vnd.pypi.simple.v1+html"
JSON_V1 = "application/vnd.pypi.simple.v1+json"
LATEST_HTML = "application/vnd.pypi.simple.latest+html"
LATEST_JSON = "application/vnd.pypi.simple.latest+json"

PIP = f"{JSON_V1}, {HTML_V1}; q=0.1, {HTML}; q=0.01"
UV = f"{JSON_V1}, {HTML_V1};q=0.2, {HTML};q=0.01"
OLD_PIP = HTML
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


def requested(accept: str | None = None, **headers: str) -> Request:
    request = Request.blank("/simple/")
    if accept is not None:
        request.headers["Accept"] = accept
    for name, value in headers.items():
        request.headers[name.replace("_", "-")] = value
    return request


def answered(request: Request, serial: int = 7) -> webob.Response:
    return answer(
        request,
        html=partial(simple_rendering.projects_html, [], serial),
        json=partial(simple_rendering.projects_json, [], serial),
        serial=serial,
    )


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (PIP, JSON_V1),
        (UV, JSON_V1),
        (OLD_PIP, HTML),
        (BROWSER, HTML),
        (None, HTML),
        ("", HTML),
        ("  ", HTML),
        (",", HTML),
        ("*/*", HTML),
        ("text/*", HTML),
        ("TEXT/HTML", HTML),
        ("application/*", HTML_V1),
        (HTML_V1, HTML_V1),
        (JSON_V1, JSON_V1),
        (JSON_V1.upper(), JSON_V1),
        (LATEST_HTML, HTML_V1),
        (LATEST_JSON, JSON_V1),
        (f"{LATEST_JSON}, {HTML};q=0.5", JSON_V1),
        (f"{HTML}, {JSON_V1}", HTML),
        (f"{JSON_V1};q=0.5, {HTML};q=0.4", JSON_V1),
        (f"{JSON_V1};q=0.4, {HTML};q=0.5", HTML),
        (f"{JSON_V1};q=0.001, {HTML};q=0", JSON_V1),
        (f"*/*;q=0.1, {JSON_V1}", JSON_V1),
        (f"{HTML};q=0, */*", HTML_V1),
        (f"{HTML};q=0, {HTML_V1};q=0, */*;q=0.1", JSON_V1),
        (f"application/vnd.pypi.simple.v2+json, {HTML};q=0.1", HTML),
        (f"{JSON_V1};q=0.5, {HTML};q=0.5", HTML),
        (f"{LATEST_HTML};q=0.9, {JSON_V1};q=0.8", HTML_V1),
        (f"{JSON_V1};q=0.8, {LATEST_JSON};q=0.9, {HTML};q=0.85", JSON_V1),
        ("text/*;q=0.5, application/*;q=0.6", HTML_V1),
        (f"*/*;q=0.5, {HTML};q=0.4", HTML_V1),
        (f"{JSON_V1};q=1.000, {HTML};q=0.999", JSON_V1),
        (f"{HTML};charset=utf-8", HTML),
        (f"{HTML}; charset=UTF-8, {JSON_V1};q=0.9", HTML),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", HTML),  # urllib of Java
    ],
)
def test_the_most_wanted_form_is_sent(accept: str | None, content_type: str) -> None:
    assert preferred(requested(accept)) == content_type


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "application/vnd.pypi.simple.v2+json",
        "image/*",
        "text/plain",
        f"{HTML};q=0",
        f"{HTML};charset=latin-1",
        "*/*;q=0",
        f"*/*;q=0, {HTML};q=0.0",
    ],
)
def test_what_is_not_offered_is_not_acceptable(accept: str) -> None:
    response = answered(requested(accept))

    assert response.status_int == 406
    assert response.content_type == "text/plain"
    assert JSON_V1 in response.text
    assert response.headers["Vary"] == "Accept"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "ETag" not in response.headers


@pytest.mark.parametrize(
    "accept", ["garbage", "text/html;q=2", "a/b;", "/", ";;;", "text/html;q=x"]
)
def test_a_header_that_cannot_be_read_states_no_preference(accept: str) -> None:
    assert preferred(requested(accept)) == HTML


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [(HTML, "text/html; charset=utf-8"), (LATEST_HTML, HTML_V1), (LATEST_JSON, JSON_V1)],
)
def test_an_answer_says_what_it_is(accept: str, content_type: str) -> None:
    response = answered(requested(accept))

    assert response.headers["Content-Type"] == content_type
    assert response.headers["Vary"] == "Accept"
    assert response.headers["X-PyPI-Last-Serial"] == "7"
    assert "Last-Modified" not in response.headers
    if accept == LATEST_JSON:
        assert json.loads(response.body)["meta"]["api-version"] == "1.4"
    else:
        assert response.text.endswith("<!--SERIAL 7-->")


def test_scripts_of_other_origins_may_read_it() -> None:
    headers = answered(requested(JSON_V1)).headers

    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Expose-Headers"] == "X-PyPI-Last-Serial"
    assert "If-None-Match" in headers["Access-Control-Allow-Headers"]
    asked_before = preflight()
    assert asked_before.status_int == 204
    assert asked_before.headers["Access-Control-Allow-Origin"] == "*"
    assert asked_before.allow == ("GET", "HEAD", "OPTIONS")


@pytest.mark.parametrize("accept", [HTML, HTML_V1, JSON_V1])
@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_what_the_client_has_is_not_sent_again(accept: str, form: str) -> None:
    etag = answered(requested(accept)).headers["ETag"]

    response = answered(requested(accept, If_None_Match=form.format(etag)))

    assert response.status_int == 304
    assert response.body == b""
    assert response.headers["ETag"] == etag
    assert response.headers["Vary"] == "Accept"
    assert response.headers["X-PyPI-Last-Serial"] == "7"
    assert "Content-Type" not in response.headers
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize("given", ['"other"', "garbage", '""', '"', "W/"])
def test_what_the_client_has_of_another_page_does_not_count(given: str) -> None:
    assert answered(requested(HTML, If_None_Match=given)).status_int == 200


def test_each_form_and_each_serial_has_an_etag_of_its_own() -> None:
    etags = {
        answered(requested(accept), serial).headers["ETag"]
        for accept in (HTML, HTML_V1, JSON_V1)
        for serial in (7, 8)
    }

    assert len(etags) == 6
    assert not any(etag.startswith("W/") for etag in etags)


def test_a_page_is_rendered_only_in_the_form_that_is_sent() -> None:
    def unwanted() -> bytes:
        raise AssertionError("nobody asked for it")

    answer(requested(JSON_V1), html=unwanted, json=lambda: b"{}", serial=0)
    answer(requested(HTML), html=lambda: b"", json=unwanted, serial=0)
    answer(requested("image/png"), html=unwanted, json=unwanted, serial=0)
