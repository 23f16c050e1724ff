"""The metrics of a server with two processes, and what watches them: dashboard and alert rules."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import promql_parser
import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from greenroom.models import Job, JobState
from greenroom.registry.jobs import Kind
from greenroom.web.http.urls import PARTS
from tests.artifacts import make_wheel
from tests.serving import Server, serving
from tests.web.conftest import form_fields

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = CHECKOUT / "examples" / "operations"
TOKEN = "a token that only Prometheus has"
SETTINGS = {"GREENROOM_METRICS_TOKEN": TOKEN}
# What Prometheus and its configuration add.
OF_PROMETHEUS = {"up": frozenset[str]()}
LABELS_OF_PROMETHEUS = {"job", "instance"}
VALUES = {
    "part": PARTS,
    "status": {"2xx", "3xx", "4xx", "5xx", "cut"},
    "outcome": {"accepted", "refused", "failed"},
    "kind": {"unavailable", "missing", "damaged", *Kind},
    "by": {"password", "token"},
    "result": {"hit", "miss"},
    "state": {"in use", "idle"},
}

Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


def scraped(server: Server) -> Samples:
    answer = server.get("/_metrics", token=TOKEN)
    assert answer.status == 200
    found: Samples = {}
    for family in text_string_to_metric_families(answer.body.decode()):
        for sample in family.samples:
            series = found.setdefault(sample.name, {})
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in series
            series[labels] = sample.value
    return found


def upload(server: Server, wheel: Path, token: str) -> int:
    return requests.post(
        f"{server.url}/legacy/",
        data=form_fields(wheel),
        files={"content": (wheel.name, wheel.read_bytes())},
        auth=("__token__", token),
        timeout=30,
    ).status_code


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on which everything has happened that is counted."""
    folder = tmp_path_factory.mktemp("index")
    with serving(folder, settings=SETTINGS) as server:
        token, wheel = server.token(server.user("ada")), make_wheel(folder)
        assert upload(server, wheel, token) == 200
        assert upload(server, wheel, "gr_" + "a" * 48) == 403
        server.greenroom("backup", str(folder / "backup"))
        for _ in range(8):  # both processes have one of them
            server.get("/simple/example/")
        assert server.get("/nothing/").status == 404
        with server.services() as services:
            for digest in list(services.storage.digests()):
                services.storage.delete(digest)
            with services.writing() as uow:
                done = uow.now - timedelta(hours=1)
                of_job = {"payload": {}, "created": done, "due": done}
                kind, state = Kind.VERIFY, JobState.DONE
                uow.db.add(Job(kind=kind, state=state, finished=done, attempts=1, **of_job))
        (link,) = re.findall(r'href="([^"#]+)', server.get("/simple/example/").body.decode())
        assert server.get(urljoin(f"{server.url}/simple/example/", link)).status == 503
        sign_in_wrongly(server)
        yield server


def sign_in_wrongly(server: Server) -> None:
    session, address = requests.Session(), f"{server.url}/account/login/"
    page = session.get(address, timeout=30).text
    token = re.findall(r'name="csrf_token"[^>]* value="([^"]+)"', page)[0]
    form = {"username": "ada", "password": "nothing that opens", "csrf_token": token}
    assert session.post(address, data=form, timeout=30).status_code == 403


def eventually(server: Server, holds: Callable[[Samples], bool]) -> Samples:
    """What is scraped once this holds: processes tell of what they counted about once a second."""
    for _ in range(100):
        samples = scraped(server)
        if holds(samples):
            break
        time.sleep(0.1)
    return samples


def test_what_happens_in_all_processes_is_counted(watched: Server) -> None:
    def counted(samples: Samples, name: str, **labels: str) -> float:
        return samples.get(name, {}).get(tuple(sorted(labels.items())), 0.0)

    expected: list[tuple[str, dict[str, str], float]] = [
        ("uploads_total", {"outcome": "accepted"}, 1),
        ("uploads_total", {"outcome": "refused"}, 1),
        ("uploads_total", {"outcome": "failed"}, 0),
        ("storage_errors_total", {"kind": "missing"}, 1),
        ("sign_in_failures_total", {"by": "password"}, 1),
        ("sign_in_failures_total", {"by": "token"}, 1),
        ("requests_total", {"part": "simple", "status": "2xx"}, 9),
        ("requests_total", {"part": "files", "status": "5xx"}, 1),
        ("requests_total", {"part": "elsewhere", "status": "4xx"}, 1),
        ("requests_total", {"part": "uploads", "status": "2xx"}, 1),
        ("request_seconds_count", {"part": "simple"}, 9),
        ("request_seconds_bucket", {"part": "simple", "le": "+Inf"}, 9),
        ("workers", {}, 2),
        ("threads", {}, 32),
        ("database_up", {}, 1),
        ("drafts_open", {}, 0),
        ("jobs_failing", {}, 0),
    ]

    def found(samples: Samples) -> list[tuple[str, dict[str, str], float]]:
        return [
            (name, labels, counted(samples, f"greenroom_{name}", **labels))
            for name, labels, _ in expected
        ]

    samples = eventually(watched, lambda samples: found(samples) == expected)
    assert found(samples) == expected
    for name in ("received_bytes_total", "sent_bytes_total", "free_bytes", "memory_bytes"):
        assert counted(samples, f"greenroom_{name}") > 1000, name
    assert counted(samples, "greenroom_job_done_timestamp_seconds", kind="verify") > 0


def test_nobody_else_sees_them(watched: Server) -> None:
    for token in (None, TOKEN[:-1], f"{TOKEN}!", "\xfc"):
        assert watched.get("/_metrics", token=token).status == 404


def test_a_file_that_a_process_makes_just_now_is_passed_over(watched: Server) -> None:
    descriptors = Path(f"/proc/{watched.process.pid}/fd").iterdir()
    [mark] = [path for path in map(Path.readlink, descriptors) if path.name == "in-use"]
    (mark.parent / "counter_1.db").touch()
    (mark.parent / "gauge_livesum_1.db").symlink_to("gone")
    assert scraped(watched)


@pytest.fixture(scope="module")
def known(watched: Server) -> dict[str, set[str]]:
    """The labels of each metric."""
    labels: dict[str, set[str]] = {name: set(each) for name, each in OF_PROMETHEUS.items()}
    for name, series in scraped(watched).items():
        labels[name] = {label for each in series for label, _ in each}
    return labels


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / "grafana-dashboard.json").read_text())
    return found


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((EXAMPLES / "prometheus-alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> list[str]:
    panels = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]
    shown = [target["expr"] for panel in panels for target in panel["targets"]]
    # What Grafana fills in.
    filled = [each.replace("$__rate_interval", "1m").replace("$job", "x") for each in shown]
    return filled + [rule["expr"] for rule in rules()]


def mistakes(expression: str, known: dict[str, set[str]]) -> list[str]:
    """The names in an expression that no metric has, and what else is wrong with it."""
    try:
        tree = promql_parser.parse(expression)
    except ValueError as error:
        return [str(error)]
    found: list[str] = []
    there: set[str] = set()
    selectors, groupings = parts_of(tree)
    for selector in selectors:
        name = selector.name or ""
        if name not in known:
            found.append(f"no metric {name}")
            continue
        there |= known[name] | LABELS_OF_PROMETHEUS
        for matcher in selector.matchers.matchers:
            if matcher.name not in known[name] | LABELS_OF_PROMETHEUS:
                found.append(f"{name} has no label {matcher.name}")
            elif matcher.name in VALUES:
                wanted = re.compile(matcher.value)
                if not any(wanted.fullmatch(value) for value in VALUES[matcher.name]):
                    found.append(f"{matcher.name} is never {matcher.value}")
    return found + [f"nothing has the label {label}" for label in groupings - there]


def parts_of(tree: Any) -> tuple[list[Any], set[str]]:
    """The selectors in a tree, and the labels by which it groups."""
    match tree:
        case promql_parser.VectorSelector():
            return [tree], set()
        case promql_parser.MatrixSelector():
            return [tree.vector_selector], set()
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            return [], set()
        case promql_parser.BinaryExpr():
            below = [tree.lhs, tree.rhs]
        case promql_parser.Call():
            below = list(tree.args)
        case _:  # in parentheses, negated, aggregated
            below = [tree.expr]
    selectors, labels = [], set()
    if isinstance(tree, promql_parser.AggregateExpr) and tree.modifier is not None:
        labels |= set(tree.modifier.labels)
    for each in below:
        more, further = parts_of(each)
        selectors += more
        labels |= further
    return selectors, labels


def test_the_dashboard_and_the_rules_name_what_there_is(known: dict[str, set[str]]) -> None:
    wrong = {each: found for each in expressions() if (found := mistakes(each, known))}

    assert wrong == {}
    assert len(expressions()) >= 50


@pytest.mark.parametrize(
    "expression",
    [
        "sum(rate(greenroom_request_total[5m]))",
        'greenroom_requests_total{code="5xx"}',
        'greenroom_requests_total{status="500"}',
        "sum by (path) (greenroom_requests_total)",
        "rate(greenroom_requests_total)",
        "time() - max by (kind) (greenroom_jobs_failing)",
        "sum(greenroom_requests_total",
    ],
)
def test_a_mistake_in_an_expression_is_noticed(expression: str, known: dict[str, set[str]]) -> None:
    assert mistakes(expression, known) != []


def test_every_metric_is_shown_or_watched_and_is_in_the_documentation(
    known: dict[str, set[str]],
) -> None:
    used = {
        selector.name
        for each in expressions()
        for selector in parts_of(promql_parser.parse(each))[0]
    }
    base = {re.sub(r"_(bucket|sum|count)$", "", name) for name in known}
    of_request = {re.sub(r"_(bucket|sum|count)$", "", str(name)) for name in used}
    text = (CHECKOUT / "docs" / "monitoring.md").read_text()
    listed = dict(re.findall(r"^\| `(greenroom_\w+)` \| ([^|]*)\|", text, re.MULTILINE))

    assert base - of_request == {"greenroom_info"}
    assert listed.keys() == base - OF_PROMETHEUS.keys()
    for name, labels in listed.items():
        series = known.get(name) or known.get(f"{name}_sum") or set()
        assert set(re.findall(r"`(\w+)`", labels)) == series, name


def test_the_panels_and_the_rules_are_complete() -> None:
    panels = dashboard()["panels"]
    places = [tuple(panel["gridPos"].values()) for panel in panels]
    assert len(set(places)) == len({panel["id"] for panel in panels}) == len(panels)
    assert all(0 < width + x <= 24 for _, width, x, _ in places)
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket", "info")
        assert rule["annotations"]["summary"].endswith(".")
    assert len({rule["alert"] for rule in rules()}) == len(rules()) >= 15
