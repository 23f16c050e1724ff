"""Who may see the metrics: nobody of whom it is not certain where they are, without the token."""

from ipaddress import ip_network

import pytest
import webtest
from msgspec.structs import replace

from greenroom.registry.unit_of_work import Services
from greenroom.web.application import make_app

TOKEN = "0123456789abcdef"
LOOPBACK, ELSEWHERE = "127.0.0.1", "192.0.2.7"

Case = tuple[str, str, str, dict[str, str], bool]
# What the settings name as networks and as proxies, who connects, what they send, what they see.
CASES: tuple[Case, ...] = (
    ("127.0.0.0/8 ::1", "", LOOPBACK, {}, True),
    ("127.0.0.0/8 ::1", "", "::1", {}, True),
    ("127.0.0.0/8 ::1", "", "::ffff:127.0.0.1", {}, True),
    ("127.0.0.0/8", "", ELSEWHERE, {}, False),
    ("127.0.0.0/8", "", "", {}, False),
    ("127.0.0.0/8", "", ELSEWHERE, {"X-Forwarded-For": LOOPBACK}, False),
    ("127.0.0.0/8", "", LOOPBACK, {"X-Forwarded-For": ELSEWHERE}, False),
    ("127.0.0.0/8", "", LOOPBACK, {"X-Forwarded-For": LOOPBACK}, False),
    ("127.0.0.0/8", "", LOOPBACK, {"X-Real-IP": LOOPBACK}, False),
    ("127.0.0.0/8", "", LOOPBACK, {"Forwarded": "for=127.0.0.1"}, False),
    ("127.0.0.0/8", "", LOOPBACK, {"Via": "1.1 proxy"}, False),
    ("127.0.0.0/8", "127.0.0.0/8", LOOPBACK, {}, False),
    ("127.0.0.0/8", "127.0.0.0/8", LOOPBACK, {"X-Forwarded-For": LOOPBACK}, False),
    ("127.0.0.0/8", "127.0.0.0/8", LOOPBACK, {"X-Forwarded-For": ELSEWHERE}, False),
    ("192.0.2.0/24", "127.0.0.0/8", LOOPBACK, {"X-Forwarded-For": ELSEWHERE}, True),
    ("192.0.2.0/24", "127.0.0.0/8", LOOPBACK, {"X-Forwarded-For": f"{ELSEWHERE}, 10.1.1.1"}, False),
    ("192.0.2.0/24", "127.0.0.0/8", "10.1.1.1", {"X-Forwarded-For": ELSEWHERE}, False),
    ("", "", LOOPBACK, {}, False),
    ("", "", ELSEWHERE, {"Authorization": f"Bearer {TOKEN}"}, True),
    ("", "", ELSEWHERE, {"Authorization": f"bearer  {TOKEN} "}, True),
    ("", "", ELSEWHERE, {"Authorization": f"Basic {TOKEN}"}, False),
    ("", "", ELSEWHERE, {"Authorization": f"Bearer {TOKEN}0"}, False),
    ("", "", ELSEWHERE, {"Authorization": "Bearer \xe9"}, False),
    ("", "", ELSEWHERE, {"Authorization": "Bearer"}, False),
)


def asking(services: Services, case: Case) -> webtest.TestResponse:
    networks, proxies, address, headers, _ = case
    settings = replace(
        services.settings,
        metrics_token=TOKEN,
        metrics_networks=tuple(ip_network(part) for part in networks.split()),
        trusted_proxies=tuple(ip_network(part) for part in proxies.split()),
    )
    wsgi = make_app(
        settings, services=replace(services, settings=settings), tell_metrics=lambda: b"all\n"
    )
    app = webtest.TestApp(wsgi, extra_environ={"REMOTE_ADDR": address})
    return app.get("/_metrics", headers=headers, status="*")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_only_who_may_sees_them(services: Services) -> None:
    for case in CASES:
        response = asking(services, case)
        expected = (200, "all\n") if case[-1] else (404, "There is nothing at this address.\n")
        assert (response.status_int, response.text) == expected, case
        assert response.headers["Cache-Control"] == "no-store", case


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_without_a_server_that_counts_there_are_none(services: Services) -> None:
    app = webtest.TestApp(make_app(services.settings, services=services))

    app.get("/_metrics", status=404)
