"""Uploads to addresses that take none: the answer names the one that does."""

from collections.abc import Iterator

import pytest
import webob

from tests.web.conftest import Site, authorization
from tests.web.standing import StockedSite, fetch, state, stocked_site, with_settings
from tests.web.uploads.uploading import BOUNDARY, UV

BODY = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n--{BOUNDARY}--\r\n'
SENTENCE = (
    "This address takes no uploads: the repository URL is {base}/legacy/, or "
    "{base}/legacy/?staged=true for drafts."
)


@pytest.fixture(scope="module")
def stocked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StockedSite]:
    with stocked_site(request, tmp_path_factory.mktemp("site"), "sqlite") as stocked:
        yield stocked


def send(site: Site, path: str, token: str = "", **headers: str) -> webob.Response:
    return fetch(
        site,
        path,
        method="POST",
        headers={"Content-Type": f"Multipart/Form-Data; boundary={BOUNDARY}"}
        | (authorization(token) if token else {})
        | headers,
        body=BODY.encode(),
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 405),
        ("/?staged=true", 405),
        ("/simple/", 405),
        ("/simple", 405),
        ("/simple/example/", 405),
        ("/simple/Example", 405),
        ("/simple/nothing/", 404),
        ("/pypi", 415),
        ("/pypi/", 405),
        ("/pypi/example/json", 405),
        ("/project/Example/", 405),
        ("/packages/", 404),
        ("/search/", 405),
        ("/help/", 405),
        ("/legacy/example/", 404),
        ("/Legacy/", 404),
        ("/nothing", 404),
    ],
)
@pytest.mark.parametrize("authenticated", [True, False])
def test_the_answer_names_the_address_of_uploads(
    stocked: StockedSite, path: str, status: int, authenticated: bool
) -> None:
    before = state(stocked.site)
    token = stocked.token if authenticated else ""

    plain = send(stocked.site, path, token)
    as_json = send(stocked.site, path, token, **UV)

    sentence = SENTENCE.format(base="http://index.example")
    assert plain.status == as_json.status == f"{status} {sentence}"
    if path.startswith("/pypi"):
        assert plain.json == {"message": sentence}
    else:
        assert plain.text == f"{status} {sentence}\n"
    assert as_json.json["message"] == as_json.json["detail"] == sentence
    assert ("Allow" in plain.headers) == (status == 405)
    for response in (plain, as_json):
        assert "Location" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"
    assert state(stocked.site) == before


def test_it_is_the_address_that_the_index_has(stocked: StockedSite) -> None:
    site = with_settings(stocked.site, url="https://company.example/index/of%20us")

    response = send(site, "/simple/")

    assert response.status_int == 405
    assert SENTENCE.format(base="https://company.example/index/of%20us") in response.status


def test_what_programs_of_upload_2_0_read_stays(stocked: StockedSite) -> None:
    response = send(stocked.site, "/upload/2.0/", stocked.token)

    assert response.status_int == 415
    assert "http://index.example/legacy/" in response.status
    assert response.content_type == "application/problem+json"
    assert "application/vnd.pypi.upload.v2+json" in response.json["detail"]


def test_the_address_of_uploads_itself_redirects(stocked: StockedSite) -> None:
    response = send(stocked.site, "/legacy?staged=true", stocked.token)

    assert response.status_int == 308
    assert response.headers["Location"] == "http://index.example/legacy/?staged=true"


@pytest.mark.parametrize("content_type", ["text/xml", "application/x-www-form-urlencoded", ""])
def test_what_is_no_upload_is_answered_as_ever(stocked: StockedSite, content_type: str) -> None:
    for path, method in (("/simple/", "POST"), ("/nothing", "POST"), ("/simple/", "PUT")):
        response = fetch(
            stocked.site, path, method=method, headers={"Content-Type": content_type}, body=b"a"
        )
        assert "legacy" not in response.status
    got = fetch(stocked.site, "/simple/", headers={"Content-Type": "multipart/form-data"})
    assert got.status_int == 200
