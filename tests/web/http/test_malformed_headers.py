"""Headers that nobody can read are as good as none."""

from collections.abc import Iterator

import pytest

from tests.web.standing import StockedSite, fetch, stocked_site

DATES = [
    "Thu, 01 Jan 99999999 00:00:00 GMT",
    "Thu, 01 Jan 2000 00:00:00 +99999999999999",
    "Thu, 99 Foo 0000 99:99:99 GMT",
    "\xff",
]


@pytest.fixture(scope="module")
def stocked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StockedSite]:
    with stocked_site(request, tmp_path_factory.mktemp("stocked"), "sqlite") as stocked:
        yield stocked


@pytest.fixture
def wheel(stocked: StockedSite) -> str:
    """The path of a published wheel."""
    lines = fetch(stocked.site, "/simple/example/").text.splitlines()
    line = next(line for line in lines if ".whl" in line)
    return line.partition('href="../..')[2].partition("#")[0]


@pytest.mark.parametrize("value", DATES)
@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since"])
def test_a_date_that_is_none_sets_no_condition(stocked: StockedSite, name: str, value: str) -> None:
    for path in ("/simple/", "/static/greenroom.css"):
        assert fetch(stocked.site, path, headers={name: value}).status_int == 200


@pytest.mark.parametrize("value", DATES)
def test_a_range_of_an_unknown_state_is_no_range(
    stocked: StockedSite, wheel: str, value: str
) -> None:
    headers = {"Range": "bytes=0-3", "If-Range": value}

    assert fetch(stocked.site, wheel, headers=headers).status_int == 200


@pytest.mark.parametrize("value", ['greenroom="\\377"', '"\\377"=x', 'other="\\303("'])
def test_a_cookie_that_is_no_text_is_nobody_s(stocked: StockedSite, value: str) -> None:
    response = fetch(stocked.site, "/account/", headers={"Cookie": value})

    assert response.status_int == 303
    assert (response.location or "").startswith("http://index.example/account/login")


def test_what_can_be_read_is_kept(stocked: StockedSite, wheel: str) -> None:
    etag = fetch(stocked.site, wheel).headers["ETag"]
    part = fetch(stocked.site, wheel, headers={"Range": "bytes=0-3", "If-Range": etag})
    since = fetch(
        stocked.site,
        "/static/greenroom.css",
        headers={"If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"},
    )

    assert part.status_int == 206
    assert since.status_int == 304
