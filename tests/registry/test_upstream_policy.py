"""Which files of upstreams are let in: by settings, by rules, and which of several decides."""

from collections.abc import Mapping
from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from greenroom import selections
from greenroom.core_metadata import CoreMetadata
from greenroom.models import RuleKind
from greenroom.other_indexes.pages import PageFile, ProjectPage
from greenroom.registry import (
    upstream_licenses,
    upstream_policy,
    upstream_refusals,
    upstream_rules,
    upstream_usage,
)
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound
from greenroom.registry.permissions import ANONYMOUS, OPERATOR, Person
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upstream_policy import Refused, Why
from greenroom.registry.upstream_usage import Usage, Who
from greenroom.settings import Settings, load_settings
from tests import factories
from tests.conftest import FakeClock
from tests.registry.test_oversight import last_line

ALLOW, EARLY, DENY = RuleKind.ALLOW, RuleKind.EARLY, RuleKind.DENY


def settings(services: Services, **values: str) -> Settings:
    """The settings, with some of upstreams as the environment would say them."""
    values = {"mode": "cache"} | values
    asked = {f"GREENROOM_UPSTREAM_{name.upper()}": value for name, value in values.items()}
    loaded = load_settings(asked | {"GREENROOM_LOG_FORMAT": "text"})
    fields = {f"upstream_{name}": getattr(loaded, f"upstream_{name}") for name in values}
    return replace(services.settings, **fields)


def page(
    *files: str, name: str = "requests", upload_time: str | None = None, size: int | None = None
) -> ProjectPage:
    made = [
        PageFile(each, f"https://index.example/{each}", {}, size=size, upload_time=upload_time)
        for each in files
    ]
    return ProjectPage(name, tuple(made))


def wheel(version: str = "2.31.0", name: str = "requests") -> str:
    return f"{name}-{version}-py3-none-any.whl"


def judge(uow: UnitOfWork, what: ProjectPage, **values: str) -> Mapping[str, str]:
    asked = settings(Services(None, uow.storage, uow.settings), **values)  # type: ignore[arg-type]
    return upstream_policy.judge(replace(uow, settings=asked), "pypi", what)


def test_nothing_is_asked_where_nothing_is_set(uow: UnitOfWork) -> None:
    assert judge(uow, page(wheel(), "requests-2.0.tar.gz", "x")) == {}


# Which of several decides: (setting of denied names, of allowed names, rules, what is refused for)
PRECEDENCE: list[tuple[str, str, str, list[tuple[RuleKind, str]], Why | None]] = [
    ("nothing", "", "", [], None),
    ("the setting denies", "requests", "", [], Why.SETTING),
    ("by version", "requests<3", "", [], Why.SETTING),
    ("another version", "requests>=3", "", [], None),
    ("another project", "request", "", [], None),
    (
        "no rule changes what the setting denies",
        "req*",
        "",
        [(ALLOW, "requests==2.31")],
        Why.SETTING,
    ),
    ("a list without it", "", "flask, req-*", [], Why.NOT_LISTED),
    ("a list with it", "", "flask, req*", [], None),
    ("a list with other versions", "", "requests>=3", [], Why.NOT_LISTED),
    ("denied and on the list", "requests", "requests", [], Why.SETTING),
    ("a rule lets in what is not on the list", "", "flask", [(ALLOW, "requests")], None),
    ("a rule denies what is on the list", "", "requests", [(DENY, "requests")], Why.RULE),
    ("early is not on the list", "", "flask", [(EARLY, "requests")], Why.NOT_LISTED),
    ("a rule denies", "", "", [(DENY, "requests")], Why.RULE),
    ("a pattern denies", "", "", [(DENY, "*")], Why.RULE),
    ("a name before a pattern", "", "", [(DENY, "req*"), (ALLOW, "requests")], None),
    ("a name before a pattern, denying", "", "", [(ALLOW, "req*"), (DENY, "requests")], Why.RULE),
    (
        "a pattern with versions is a pattern",
        "",
        "",
        [(DENY, "r*==2.31.0"), (ALLOW, "requests")],
        None,
    ),
    ("versions before a name", "", "", [(DENY, "requests"), (ALLOW, "requests>=2,<3")], None),
    (
        "versions before a name, denying",
        "",
        "",
        [(ALLOW, "requests"), (DENY, "requests<3")],
        Why.RULE,
    ),
    ("one version before some", "", "", [(DENY, "requests>=2"), (ALLOW, "requests==2.31")], None),
    ("one with a * is some", "", "", [(DENY, "requests>=2"), (ALLOW, "requests==2.*")], Why.RULE),
    ("as much of both", "", "", [(ALLOW, "requests>=2"), (DENY, "requests<3")], Why.RULE),
    ("rules of other versions", "", "", [(DENY, "requests<2"), (DENY, "requests==3")], None),
    ("denied is not early", "", "", [(DENY, "requests"), (EARLY, "requests==2.31")], Why.RULE),
]


@pytest.mark.parametrize(
    ("denied", "allowed", "rules", "why"),
    [row[1:] for row in PRECEDENCE],
    ids=[row[0] for row in PRECEDENCE],
)
def test_which_of_several_decides(
    uow: UnitOfWork, denied: str, allowed: str, rules: list[tuple[RuleKind, str]], why: Why | None
) -> None:
    for kind, what in rules:
        upstream_rules.make(uow, OPERATOR, kind, what, "For a reason.")
    asked = settings(Services(None, uow.storage, uow.settings), deny=denied, allow=allowed)  # type: ignore[arg-type]
    policy = upstream_policy.load(replace(uow, settings=asked), "pypi", "requests")

    found = policy.judged(page(wheel())).get(wheel())

    assert (found.why if found is not None else None) == why


def test_what_is_said(uow: UnitOfWork, clock: FakeClock) -> None:
    hours_ago = f"{uow.now - timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}"
    young = page(wheel("2.99.0"), upload_time=hours_ago)
    sdist = page("requests-2.99.0.tar.gz", size=3 * 2**20)

    assert judge(uow, young, min_age="7d")[wheel("2.99.0")] == (
        "requests 2.99.0 was uploaded 3 hours ago: this index lets files in from pypi after 7 days."
        " Its administrators can let it in earlier."
    )
    assert judge(uow, sdist, wheels_only="true")["requests-2.99.0.tar.gz"] == (
        "requests-2.99.0.tar.gz is not a wheel: this index lets only wheels in from pypi. "
        "Its administrators can let it in."
    )
    assert judge(uow, sdist, max_file_size="1MiB")["requests-2.99.0.tar.gz"] == (
        "requests-2.99.0.tar.gz has 3 MiB: this index lets files of at most 1 MiB in from pypi. "
        "Its administrators can let it in."
    )
    assert judge(uow, sdist, deny="requests>2")["requests-2.99.0.tar.gz"] == (
        "requests 2.99.0 is not let in here: the settings deny requests>2. "
        "Ask the operator of this index."
    )
    assert judge(uow, page("odd.whl"), allow="flask")["odd.whl"] == (
        "odd.whl is not on the list of what this index lets in from pypi. "
        "Its administrators can let it in."
    )
    upstream_rules.make(uow, OPERATOR, DENY, "requests", "It has a hole.", date(2026, 6, 3))
    assert judge(uow, sdist)["requests-2.99.0.tar.gz"] == (
        "requests 2.99.0 is not let in here until 2026-06-03: It has a hole. "
        "Ask the administrators of this index."
    )


def test_ages(uow: UnitOfWork) -> None:
    def refused(age: timedelta | None, **values: str) -> str | None:
        said = f"{uow.now - age:%Y-%m-%dT%H:%M:%S.%fZ}" if age is not None else None
        found = page(wheel(), upload_time=said)
        return judge(uow, found, **({"min_age": "2d"} | values)).get(wheel())

    assert refused(timedelta(days=2)) is None
    assert "47 hours ago" in (refused(timedelta(days=2, microseconds=-1)) or "")
    assert "less than an hour ago" in (refused(timedelta(minutes=59)) or "")
    assert "less than an hour ago" in (refused(timedelta(days=-9)) or "")
    assert "9 days ago" in (refused(timedelta(days=9), min_age="10d") or "")
    assert "after 36 hours" in (refused(timedelta(), min_age="36h") or "")
    assert "after 90 seconds" in (refused(timedelta(), min_age="90s") or "")
    assert "does not say when" in (refused(None) or "")
    upstream_rules.make(uow, OPERATOR, EARLY, "requests==2.31", "Needed.")
    assert refused(timedelta()) is None
    assert refused(None) is None
    assert "under" in (refused_license(uow, "GPL-3.0-only", min_age="2d") or "")
    assert wheel("2.32") in judge(uow, page(wheel("2.32")), min_age="2d")


def refused_license(uow: UnitOfWork, expression: str, **values: str) -> str | None:
    asked = settings(
        Services(None, uow.storage, uow.settings),  # type: ignore[arg-type]
        **({"licenses": "mit, Apache-2.0, GPL-2.0-only WITH Classpath-exception-2.0"} | values),
    )
    policy = upstream_policy.load(replace(uow, settings=asked), "pypi", "requests")
    judged = replace(policy, licenses={wheel(): expression}).judged(page(wheel()))
    return judged[wheel()].sentence if judged else None


@pytest.mark.parametrize(
    ("expression", "is_let_in"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("MIT AND Apache-2.0", True),
        ("GPL-3.0-only OR MIT AND Apache-2.0", True),
        ("(GPL-3.0-only OR MIT) AND Apache-2.0", True),
        ("(GPL-3.0-only OR MIT) AND BSD-3-Clause", False),
        ("MIT AND (GPL-3.0-only AND (MIT OR Apache-2.0))", False),
        ("MIT WITH Classpath-exception-2.0", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", True),
        ("GPL-2.0-only", False),
        ("GPL-2.0-only WITH Bison-exception-2.2 OR MIT", True),
        ("LicenseRef-Ours", False),
        ("", True),
    ],
)
def test_licenses(uow: UnitOfWork, expression: str, is_let_in: bool) -> None:
    assert (refused_license(uow, expression) is None) == is_let_in
    assert (refused_license(uow, expression, unknown_licenses="refuse") is None) == (
        is_let_in and bool(expression)
    )


@pytest.mark.parametrize(
    ("metadata", "expression"),
    [
        (CoreMetadata(), ""),
        (CoreMetadata(license_expression="mit or apache-2.0"), "MIT OR Apache-2.0"),
        (CoreMetadata(license_expression="MIT", license="GPLv3"), "MIT"),
        (CoreMetadata(license="Apache License,\n  Version 2.0"), "Apache-2.0"),
        (CoreMetadata(license="BSD-3-Clause"), "BSD-3-Clause"),
        (CoreMetadata(license="BSD"), "BSD-2-Clause AND BSD-3-Clause"),
        (CoreMetadata(license="Permission is hereby granted. " * 40), ""),
        (CoreMetadata(license="(" * 400), ""),
        (CoreMetadata(classifiers=("License :: OSI Approved",)), ""),
        (CoreMetadata(classifiers=("License :: OSI Approved :: MIT License",)), "MIT"),
        (
            CoreMetadata(
                classifiers=(
                    "License :: OSI Approved",
                    "License :: OSI Approved :: MIT License",
                    "License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
                    "Topic :: Utilities",
                )
            ),
            "MIT AND GPL-3.0-only",
        ),
        (
            CoreMetadata(
                classifiers=(
                    "License :: OSI Approved :: MIT License",
                    "License :: Other/Proprietary License",
                )
            ),
            "",
        ),
    ],
)
def test_what_metadata_says_of_licenses(metadata: CoreMetadata, expression: str) -> None:
    assert upstream_licenses.expression_of(metadata) == expression


def test_licenses_that_are_known_count(services: Services) -> None:
    usage = Usage()
    usage.note_license("pypi", "requests", wheel(), "MIT")
    usage.note_license("pypi", "requests", wheel(), "GPL-3.0-only")
    usage.note_license("other", "requests", wheel("1.0"), "GPL-3.0-only")
    usage.write(services)
    with services.reading() as uow:
        both = page(wheel(), wheel("1.0"))
        assert list(judge(uow, both, licenses="MIT")) == [wheel()]
        assert judge(uow, both) == {}


# Rules


def test_administrators_make_rules_and_nobody_else(uow: UnitOfWork) -> None:
    root = Person(factories.make_user(uow, "root", administrator=True))
    ada = Person(factories.make_user(uow, "ada"))
    for actor in (ada, ANONYMOUS):
        with pytest.raises(NotAllowed):
            upstream_rules.make(uow, actor, DENY, "requests", "No.")
    with pytest.raises(InvalidRequest, match="Give a reason"):
        upstream_rules.make(uow, root, DENY, "requests")
    made = upstream_rules.make(uow, root, DENY, "Requests < 3, >=2", "No.", date(2026, 6, 1))
    assert str(made.selection) == "requests<3,>=2"
    line = last_line(uow)
    assert (line.act, line.by) == ("upstream-deny", "root")
    assert line.detail == "requests<3,>=2 until 2026-06-01: No."
    with pytest.raises(NotAllowed):
        upstream_rules.remove(uow, ada, made.id, "No.")
    with pytest.raises(InvalidRequest):
        upstream_rules.remove(uow, root, made.id)
    upstream_rules.remove(uow, root, made.id, "Over.")
    line = last_line(uow)
    assert (line.act, line.detail) == (
        "upstream-rule-remove",
        "deny requests<3,>=2 until 2026-06-01: Over.",
    )
    with pytest.raises(NotFound):
        upstream_rules.remove(uow, root, made.id, "Over.")
    upstream_rules.make(uow, OPERATOR, EARLY, "acme-*")
    assert (last_line(uow).act, last_line(uow).detail) == ("upstream-allow", "acme-* early")


@pytest.mark.parametrize(
    "what",
    ["", "requests[socks]", "requests>>2", "requests>=", ">=2", "-", "a" * 201, "*" + "a*" * 5, "é",
     "requests==1\n", "requests\x00", "requests; python_version<'3'"],
    ids=range(12),
)  # fmt: skip
def test_what_chooses_nothing_is_refused(uow: UnitOfWork, what: str) -> None:
    if what == "requests==1\n":
        assert str(selections.parse(what)) == "requests==1"
        return
    with pytest.raises(InvalidRequest, match="chooses nothing"):
        upstream_rules.make(uow, OPERATOR, DENY, what)


def test_two_rules_about_the_same_are_one_too_many(uow: UnitOfWork, clock: FakeClock) -> None:
    upstream_rules.make(uow, OPERATOR, DENY, "requests", until=date(2026, 6, 1))
    for kind in (DENY, ALLOW):
        with pytest.raises(InvalidRequest, match="says deny to requests: remove it first"):
            upstream_rules.make(uow, OPERATOR, kind, "requests")
    upstream_rules.make(uow, OPERATOR, EARLY, "requests")
    with pytest.raises(InvalidRequest, match="is over"):
        upstream_rules.make(uow, OPERATOR, DENY, "flask", until=date(2026, 5, 31))
    assert list(judge(uow, page(wheel()))) == [wheel()]

    clock.advance(timedelta(days=1))
    tomorrow = replace(uow, now=clock())
    assert judge(tomorrow, page(wheel())) == {}
    assert [each.holds for each in upstream_rules.listed(tomorrow, start=0, count=9)] == [
        *(False, True)
    ]
    upstream_rules.make(tomorrow, OPERATOR, ALLOW, "requests")
    assert upstream_rules.count_of(tomorrow, "REQ") == 2
    assert upstream_rules.count_of(tomorrow, "%") == 0


# Refusals


def note(usage: Usage, uow: UnitOfWork, filename: str, why: Why, by: str = "") -> None:
    refused = Refused(why, f"{filename} is refused.")
    usage.note_refusal("pypi", "requests", filename, refused, Who(by), uow.now)


def test_what_was_refused_is_let_in(services: Services, clock: FakeClock) -> None:
    usage = Usage()
    with services.reading() as uow:
        note(usage, uow, wheel(), Why.AGE)
        note(usage, uow, "requests-2.31.0.tar.gz", Why.AGE, "ada")
        note(usage, uow, wheel("3.0"), Why.RULE)
        note(usage, uow, wheel("4.0"), Why.SETTING)
        note(usage, uow, "requests.egg", Why.NOT_LISTED)
    usage.write(services)
    clock.advance(timedelta(hours=1))
    with services.reading() as uow:
        note(usage, uow, wheel(), Why.AGE, "eve")
        note(usage, uow, wheel(), Why.AGE)
    usage.write(services)
    usage.write(services)

    with services.writing() as uow:
        found = {each.filename: each for each in upstream_refusals.listed(uow, start=0, count=9)}
        first = found[wheel()]
        assert next(iter(found)) == wheel()
        assert (first.count, first.by, first.last - first.first) == (3, "", timedelta(hours=1))
        assert upstream_refusals.count_of(uow, why=Why.AGE) == 2
        assert upstream_refusals.count_of(uow, "TAR.GZ") == 1
        rule = upstream_refusals.let_in(uow, OPERATOR, first.id, "Needed.")
        assert (rule.kind, str(rule.selection)) == (EARLY, "requests==2.31.0")
        assert upstream_refusals.count_of(uow) == 3
        rule = upstream_refusals.let_in(uow, OPERATOR, found[wheel("3.0")].id, "Needed.")
        assert (rule.kind, str(rule.selection)) == (ALLOW, "requests==3.0")
        with pytest.raises(InvalidRequest, match="The settings deny"):
            upstream_refusals.let_in(uow, OPERATOR, found[wheel("4.0")].id, "Needed.")
        rule = upstream_refusals.let_in(uow, OPERATOR, found["requests.egg"].id, "Needed.")
        assert str(rule.selection) == "requests"
        with pytest.raises(NotFound):
            upstream_refusals.let_in(uow, OPERATOR, first.id, "Needed.")


def test_no_more_is_kept_than_that(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MOST_REFUSALS", "MOST_USES", "MOST_USERS", "MOST_LICENSES"):
        monkeypatch.setattr(upstream_usage, name, 2)
    usage = Usage()
    with services.reading() as uow:
        for number in range(4):
            later = replace(uow, now=uow.now + timedelta(hours=number))
            note(usage, later, wheel(f"{number}"), Why.AGE)
            usage.note_license("pypi", "requests", wheel(f"{number}"), "MIT")
            usage.note_page("pypi", f"p{number}", Who(), later.now, was_kept=False)
    usage.write(services)
    with services.reading() as uow:
        kept = upstream_refusals.listed(uow, start=0, count=9)
        assert [each.filename for each in kept] == [wheel("3"), wheel("2")]
        assert len(upstream_licenses.known(uow, "pypi", "requests")) == 2
