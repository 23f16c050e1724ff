"""Headers that nobody can read are as good as none."""

from collections.abc import Iterator

import pytest

from tests.web.standing import House, fetch, furnished_site

DATES = [
    "Thu, 01 Jan 99999999 00:00:00 GMT",
    "Thu, 01 Jan 2000 00:00:00 +99999999999999",
    "Thu, 99 Foo 0000 99:99:99 GMT",
    "\xff",
]


@pytest.fixture(scope="module")
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    with furnished_site(request, tmp_path_factory.mktemp("house"), "sqlite") as house:
        yield house


@pytest.fixture
def wheel(house: House) -> str:
    """The path of a published wheel."""
    lines = fetch(house.site, "/simple/example/").text.splitlines()
    line = next(line for line in lines if ".whl" in line)
    return line.partition('href="../..')[2].partition("#")[0]


@pytest.mark.parametrize("value", DATES)
@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since"])
def test_a_date_that_is_none_sets_no_condition(house: House, name: str, value: str) -> None:
    for path in ("/simple/", "/static/greenroom.css"):
        assert fetch(house.site, path, headers={name: value}).status_int == 200


@pytest.mark.parametrize("value", DATES)
def test_a_range_of_an_unknown_state_is_no_range(house: House, wheel: str, value: str) -> None:
    headers = {"Range": "bytes=0-3", "If-Range": value}

    assert fetch(house.site, wheel, headers=headers).status_int == 200


@pytest.mark.parametrize("value", ['greenroom="\\377"', '"\\377"=x', 'other="\\303("'])
def test_a_cookie_that_is_no_text_is_nobody_s(house: House, value: str) -> None:
    response = fetch(house.site, "/account/", headers={"Cookie": value})

    assert response.status_int == 303
    assert (response.location or "").startswith("http://index.example/account/login")


def test_what_can_be_read_is_kept(house: House, wheel: str) -> None:
    etag = fetch(house.site, wheel).headers["ETag"]
    part = fetch(house.site, wheel, headers={"Range": "bytes=0-3", "If-Range": etag})
    since = fetch(
        house.site,
        "/static/greenroom.css",
        headers={"If-Modified-Since": "Thu, 01 Jan 2099 00:00:00 GMT"},
    )

    assert part.status_int == 206
    assert since.status_int == 304
