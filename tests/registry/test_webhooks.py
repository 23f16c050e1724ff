"""Webhooks: who is told of what, once, signed, and what comes of receivers that do not answer."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.version import Version
from sqlalchemy import select

from greenroom import background
from greenroom.models import (
    AuditEntry,
    DeliveryState,
    Draft,
    Job,
    Notification,
    RoleName,
    User,
    Webhook,
    WebhookDelivery,
)
from greenroom.paths import TEMPLATES
from greenroom.registry import (
    accounts,
    draft_contents,
    drafts,
    housekeeping,
    jobs,
    projects,
    publishing,
    release_sets,
    removal,
    webhook_deliveries,
    webhook_events,
    webhook_telling,
    webhooks,
)
from greenroom.registry.audit import Kind
from greenroom.registry.errors import Ended, InvalidRequest, NotAllowed, NotFound, Refusal
from greenroom.registry.permissions import ANONYMOUS, OPERATOR, Actor, Person
from greenroom.registry.release_sets import Reference
from greenroom.registry.unit_of_work import Services, UnitOfWork, utc_now
from greenroom.registry.webhook_deliveries import Outcome
from greenroom.registry.webhook_events import CHOICES
from greenroom.registry.webhooks import Hook, OfIndex, OfProject, OfSet, Scope, Wanted
from greenroom.settings import Settings
from greenroom.webhooks import messages
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock
from tests.jobs import do_due, states
from tests.registry.test_permissions import World
from tests.webhook_receivers import Receiver, answer, receiving

ALL = tuple(CHOICES)
QUIET = webhook_events.QUIET + timedelta(seconds=1)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, webhook_networks=(ip_network("127.0.0.0/8"),))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture
def ada(services: Services) -> str:
    """Has an account, and owns what she stages."""
    with services.writing() as uow:
        return factories.make_user(uow, "ada").username


def person(uow: UnitOfWork, name: str = "ada") -> Person:
    return Person(accounts.get_user(uow.db, name))


def stage(services: Services, *paths: Path, by: str = "ada") -> int:
    with services.writing() as uow:
        return factories.stage(uow, person(uow, by), *paths).id


def hook(
    services: Services, url: str, project: str | None = "example", **wanted: object
) -> tuple[int, str]:
    """A webhook of a project or of the index: its number and its secret."""
    with services.writing() as uow:
        scope = OfProject(projects.get(uow, project)) if project is not None else OfIndex()
        said = {"name": "CI", "format": "json", "events": ALL, **wanted}
        made, secret = webhooks.add(uow, OPERATOR, scope, Wanted(url=url, **said))  # type: ignore[arg-type]
        return made.id, secret


def told(receiver: Receiver) -> list[tuple[str, str | None]]:
    """The events that a receiver was told of, and of which version."""
    said = [json.loads(each.body) for each in receiver.heard]
    return [(each["event"], each["version"]) for each in said]


def deliveries(services: Services) -> list[tuple[str, str, int, int | None]]:
    with services.reading() as uow:
        rows = uow.db.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id))
        return [(row.event, row.state, row.attempts, row.status) for row in rows]


def verified(receiver: Receiver, index: int, *secrets: str) -> list[bool]:
    """Whether each of the secrets has signed a request; by the text of Standard Webhooks alone."""
    heard = receiver.heard[index]
    content = f"{heard.headers['webhook-id']}.{heard.headers['webhook-timestamp']}.".encode()
    given = heard.headers["webhook-signature"].split(" ")
    found = []
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        mac = hmac.new(key, content + heard.body, hashlib.sha256).digest()
        found.append(f"v1,{base64.b64encode(mac).decode()}" in given)
    return found


# Of what is told


def test_the_life_of_a_draft_is_told_once_to_each_receiver(
    services: Services, clock: FakeClock, ada: str, tmp_path: Path, receiver: Receiver
) -> None:
    draft_id = stage(services, make_sdist(tmp_path))
    _, secret = hook(services, receiver.url)
    hook(services, receiver.url.replace("key", "index"), None)
    clock.advance(QUIET)
    do_due(services)
    assert receiver.heard == []  # what was before the webhook is not told
    # Three files in quick succession, one of them replaced, are one event.
    for path in (make_wheel(tmp_path), make_wheel(tmp_path, tag="py2-none-any")):
        stage(services, path)
        clock.advance(timedelta(seconds=3))
    do_due(services)
    assert told(receiver) == []
    clock.advance(QUIET)
    do_due(services)
    assert told(receiver) == [("changed", "1.0")] * 2
    said = json.loads(receiver.heard[0].body)
    with services.reading() as uow:
        draft = uow.db.get_one(Draft, draft_id)
        slug, key = draft.slug, draft.key
        digest = draft_contents.digest_of(draft, draft.files)
    assert said == {
        "event": "changed",
        "id": receiver.heard[0].headers["webhook-id"],
        "time": said["time"],
        "project": "example",
        "version": "1.0",
        "by": "ada",
        "content-digest": digest,
        "files": {"added": 2, "replaced": 0, "removed": 0},
        "expires": said["expires"],
        "links": {"manage": "http://index.example/manage/project/example/draft/1.0/"},
    }
    assert verified(receiver, 0, secret) == [True]
    with services.writing() as uow:
        publishing.publish(uow, person(uow), uow.db.get_one(Draft, draft_id))
    do_due(services)
    assert told(receiver)[2:] == [("published", "1.0")] * 2
    published = json.loads(receiver.heard[2].body)
    assert published["content-digest"] == digest
    assert published["links"] == {
        "manage": "http://index.example/manage/project/example/",
        "release": "http://index.example/project/example/1.0/",
    }
    everything = b"".join(each.body + str(each.headers).encode() for each in receiver.heard)
    for private in (slug, key, secret, "very-secret-path"):
        assert private.encode() not in everything
    with services.reading() as uow:
        hidden = [
            *uow.db.scalars(select(AuditEntry.detail)),
            *map(str, uow.db.scalars(select(Job.payload))),
        ]
        hidden += [row.target + row.secret for row in uow.db.scalars(select(Webhook))]
    assert not any(each in text for text in hidden for each in ("very-secret", secret[6:], slug))


def test_a_new_draft_is_told_as_staged_and_its_end_with_the_reason(
    services: Services, clock: FakeClock, ada: str, tmp_path: Path, receiver: Receiver
) -> None:
    with services.writing() as uow:
        factories.release(uow, person(uow), make_sdist(tmp_path))
    hook(services, receiver.url)
    with services.writing() as uow:
        drafts.open_new(uow, person(uow), "example", Version("2.0"))
    clock.advance(QUIET)
    do_due(services)
    assert told(receiver) == []  # it has no files
    second = stage(services, make_sdist(tmp_path, version="2.0"))
    clock.advance(QUIET)
    do_due(services)
    stage(services, make_sdist(tmp_path, version="3.0"))
    clock.advance(QUIET)
    do_due(services)
    with services.writing() as uow:
        drafts.discard(uow, person(uow), uow.db.get_one(Draft, second), reason="a mistake")
    do_due(services)
    clock.advance(timedelta(days=12))
    housekeeping.keep_house(services)
    housekeeping.keep_house(services)
    do_due(services)
    clock.advance(timedelta(days=3))
    housekeeping.keep_house(services)
    do_due(services)
    assert told(receiver) == [
        *(("staged", "2.0"), ("staged", "3.0"), ("discarded", "2.0")),
        *(("expiring", "3.0"), ("discarded", "3.0")),
    ]
    discarded, expired = (json.loads(receiver.heard[n].body) for n in (2, 4))
    assert (discarded["reason"], discarded["by"]) == ("discard", "ada")
    assert "a mistake" in discarded["detail"]
    assert expired["reason"] == "expire"


def test_drafts_that_go_with_a_project_are_told(
    services: Services, ada: str, tmp_path: Path, receiver: Receiver
) -> None:
    with services.writing() as uow:
        factories.release(uow, person(uow), make_sdist(tmp_path))
    stage(services, make_sdist(tmp_path, version="2.0"))
    hook(services, receiver.url)
    hook(services, receiver.url, None, events=("discarded",))
    with services.writing() as uow:
        removal.remove_project(uow, OPERATOR, projects.get(uow, "example"))
    do_due(services)
    assert told(receiver) == [("discarded", "2.0")]  # to the index: the other one went, too


def test_uploads_that_are_public_at_once_are_told_once(
    services: Services, clock: FakeClock, ada: str, tmp_path: Path, receiver: Receiver
) -> None:
    hook(services, receiver.url, None)
    for path in (make_sdist(tmp_path), make_wheel(tmp_path)):
        with services.writing() as uow:
            factories.release(uow, person(uow), path)
        clock.advance(timedelta(seconds=5))
    clock.advance(QUIET)
    do_due(services)
    clock.advance(timedelta(hours=1))
    with services.writing() as uow:
        factories.release(uow, person(uow), make_wheel(tmp_path, tag="py2-none-any"))
    clock.advance(QUIET)
    do_due(services)
    assert told(receiver) == [("published", "1.0")] * 2
    digests = {json.loads(each.body)["content-digest"] for each in receiver.heard}
    assert len(digests) == 2


def test_nobody_hears_of_another_project(
    services: Services, clock: FakeClock, ada: str, tmp_path: Path, receiver: Receiver
) -> None:
    """Nor of one that has the name of the receiver's by now, nor of what it did not ask for."""
    with services.writing() as uow:
        factories.make_user(uow, "eve")
    stage(services, make_sdist(tmp_path, "example"))
    other = stage(services, make_sdist(tmp_path, "other"), by="eve")
    hook(services, receiver.url, "other", events=("published", "discarded"))
    hook(services, receiver.url, None, events=("approved",))
    clock.advance(timedelta(minutes=1))
    stage(services, make_wheel(tmp_path, "example"))
    stage(services, make_wheel(tmp_path, "other"), by="eve")
    clock.advance(QUIET)
    do_due(services)
    with services.writing() as uow:
        drafts.discard(uow, person(uow, "eve"), uow.db.get_one(Draft, other))
    # The name was reserved by that draft alone: it is given out again, and the webhook is gone.
    stage(services, make_sdist(tmp_path, "other"))
    clock.advance(QUIET)
    do_due(services)
    assert receiver.heard == []
    with services.reading() as uow:
        assert [each.scope for each in uow.db.scalars(select(Webhook))] == ["index"]


def test_a_set_is_told_of_its_drafts_and_once_of_its_publication(
    services: Services, clock: FakeClock, ada: str, tmp_path: Path, receiver: Receiver
) -> None:
    one = stage(services, make_sdist(tmp_path, "one"))
    two = stage(services, make_sdist(tmp_path, "two"))
    stage(services, make_sdist(tmp_path, "three"))
    with services.writing() as uow:
        for number in (one, two):
            draft = uow.db.get_one(Draft, number)
            made = release_sets.add(uow, person(uow), draft, Reference("both"))
        factories.make_user(uow, "bob")
        wanted = Wanted("CI", receiver.url, "json", ALL)
        for stranger in (person(uow, "bob"), ANONYMOUS):
            with pytest.raises(NotAllowed):
                webhooks.add(uow, stranger, OfSet(uow, made), wanted)
        hooked, _ = webhooks.add(uow, person(uow), OfSet(uow, made), wanted)
        webhook_deliveries.try_out(uow, person(uow), OfSet(uow, made), hooked.id)
        assert isinstance(webhooks.scope_of(uow, hooked.id), OfSet)
        key, digest = made.key, release_sets.details(uow, OPERATOR, made).content_digest
    hook(services, receiver.url, "one")
    clock.advance(QUIET)
    do_due(services)
    assert told(receiver) == [("test", None)]
    stage(services, make_wheel(tmp_path, "three"))
    stage(services, make_wheel(tmp_path, "two"))
    clock.advance(QUIET)
    do_due(services)
    assert told(receiver)[1:] == [("changed", "1.0")]
    with services.writing() as uow:
        again = release_sets.by_key(uow.db, key)
        assert again is not None
        publishing.publish_set(uow, person(uow), again)
        assert digest != again.content_digest
    do_due(services)
    said = [json.loads(each.body) for each in receiver.heard[2:]]
    assert sorted(str(each.get("set")) for each in said) == ["None", "ada/both"]
    [whole] = [each for each in said if "set" in each]
    assert (whole["event"], whole["project"], whole["by"]) == ("published", None, "ada")
    assert [each["project"] for each in whole["releases"]] == ["one", "two"]
    assert whole["links"] == {"manage": f"http://index.example/manage/sets/{key}/"}
    with services.writing() as uow:
        ended = release_sets.by_key(uow.db, key)
        assert ended is not None
        with pytest.raises(Ended):
            webhooks.add(
                uow, person(uow), OfSet(uow, ended), Wanted("x", receiver.url, "json", ALL)
            )
        release_sets.create(uow, person(uow), "other")


def test_of_a_set_that_was_refused_only_the_draft_is_told_that_was(
    services: Services, ada: str, tmp_path: Path, receiver: Receiver
) -> None:
    update = {"review_command": "/bin/true"}
    reviewed = replace(services, settings=replace(services.settings, **update))
    drafts_of_it = [stage(services, make_sdist(tmp_path, name)) for name in ("one", "two")]
    for name in ("one", "two"):
        hook(services, receiver.url, name, events=("checked",))
    with reviewed.writing() as uow:
        for number in drafts_of_it:
            draft = uow.db.get_one(Draft, number)
            made = release_sets.add(uow, person(uow), draft, Reference("both"))
        publishing.publish_set(uow, person(uow), made)
    with reviewed.writing() as uow:
        draft = uow.db.get_one(Draft, drafts_of_it[1])
        publishing.finish_review(uow, draft, passed=False, notices=["a virus"])
    do_due(services)
    [said] = [json.loads(each.body) for each in receiver.heard]
    assert (said["event"], said["project"], said["detail"]) == ("checked", "two", "a virus")


def test_without_a_webhook_nothing_is_written(uow: UnitOfWork, tmp_path: Path) -> None:
    factories.stage(uow, factories.make_user(uow, "ada"), make_wheel(tmp_path))
    kinds = set(uow.db.scalars(select(Job.kind)))
    assert not kinds & {jobs.Kind.TELL_WEBHOOKS, jobs.Kind.WEBHOOK}


def test_every_event_has_an_act_and_most_acts_are_in_the_log() -> None:
    assert {*webhook_events.ACTS.values(), webhook_events.Event.STAGED} == set(CHOICES)


# Who may do what with them


ACTS: dict[str, Callable[[UnitOfWork, Actor, Scope, int], object]] = {
    "add": lambda uow, actor, scope, n: webhooks.add(
        uow, actor, scope, Wanted("new", "https://a.example/", "json", ALL)
    ),
    "change": lambda uow, actor, scope, n: webhooks.change(
        uow, actor, scope, n, Wanted("other", "", "json", ("staged",))
    ),
    "rotate": webhooks.rotate,
    "switch": lambda uow, actor, scope, n: webhooks.switch(uow, actor, scope, n, on=False),
    "remove": webhooks.remove,
    "list": lambda uow, actor, scope, n: webhooks.listed(uow, actor, scope),
    "find": webhooks.find,
    "log": lambda uow, actor, scope, n: webhook_deliveries.listed(
        uow, actor, scope, n, start=0, count=10
    ),
    "test": webhook_deliveries.try_out,
    "again": lambda uow, actor, scope, n: webhook_deliveries.send_again(uow, actor, scope, n, 1),
}


def refused(act: Callable[[], object]) -> Refusal | None:
    try:
        act()
    except Refusal as refusal:
        return refusal
    return None


@pytest.mark.parametrize("act", ACTS)
def test_who_manages_a_project_manages_its_webhooks_alone(uow: UnitOfWork, act: str) -> None:
    world = World(uow)
    wanted = Wanted("CI", "https://a.example/", "json", ALL)
    of_this, of_index = OfProject(world.this), OfIndex()
    made, _ = webhooks.add(uow, OPERATOR, of_this, wanted)
    global_, _ = webhooks.add(uow, OPERATOR, of_index, wanted)
    other, _ = webhooks.add(uow, OPERATOR, OfProject(world.other), wanted)
    webhook_deliveries.try_out(uow, OPERATOR, of_this, made.id)
    users = {name: Person(user) for name, user in world.users.items()}
    actors: dict[str, Actor] = {**users, "anonymous": ANONYMOUS, "operator": OPERATOR}
    for who, actor in actors.items():
        for scope, number, may in (
            (of_this, made.id, ("owner", "administrator", "operator")),
            (of_index, global_.id, ("administrator", "operator")),
        ):
            with uow.db.begin_nested() as nested:
                refusal = refused(partial(ACTS[act], uow, actor, scope, number))
                # "again" has no message of the other webhooks, "test" one of this already.
                is_done = refusal is None or isinstance(refusal, NotFound | InvalidRequest)
                assert is_done == (who in may), (who, refusal)
                nested.rollback()
            uow.db.expire_all()
    if act not in ("add", "list"):
        for number in (other.id, global_.id, 0, 10**12):
            with pytest.raises(NotFound):
                ACTS[act](uow, users["owner"], of_this, number)
    projects.quarantine(uow, OPERATOR, world.this)
    with pytest.raises(NotAllowed, match="quarantine"):
        ACTS[act](uow, users["owner"], of_this, made.id)


def test_every_act_has_one_line(uow: UnitOfWork) -> None:
    world = World(uow)
    owner, scope = Person(world.users["owner"]), OfProject(world.this)

    def lines() -> list[str]:
        return list(uow.db.scalars(select(AuditEntry.act).order_by(AuditEntry.id)))

    before = len(lines())
    made, _ = webhooks.add(
        uow, owner, scope, Wanted(" My   CI ", "https://a.example:8443/secret", "json", ALL)
    )
    assert (made.name, made.host) == ("My CI", "a.example:8443")
    number = made.id
    webhooks.change(uow, owner, scope, number, Wanted("CI", "", "slack", ("staged", "published")))
    webhooks.rotate(uow, owner, scope, number)
    webhook_deliveries.try_out(uow, owner, scope, number)
    with pytest.raises(InvalidRequest, match="on its way already"):
        webhook_deliveries.try_out(uow, owner, scope, number)
    delivery = uow.db.scalars(select(WebhookDelivery.id)).one()
    webhook_deliveries.send_again(uow, owner, scope, number, delivery)
    for on in (False, False, True, True):
        webhooks.switch(uow, owner, scope, number, on=on)
    webhooks.remove(uow, owner, scope, number)
    assert lines()[before:] == [
        *("webhook-add", "webhook-change", "webhook-rotate", "webhook-send", "webhook-send"),
        *("webhook-change", "webhook-change", "webhook-remove"),
    ]
    details = list(uow.db.scalars(select(AuditEntry.detail)))
    assert "CI: a.example:8443, slack, staged, published; switched off" in details
    assert not any("secret" in each for each in details)


MATRIX = "https://m.example/_matrix/client/v3/rooms/!r:m.example/send/m.room.message"


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (Wanted("", "https://a.example/", "json", ALL), "Give it a name"),
        (Wanted("x" * 101, "https://a.example/", "json", ALL), "Give it a name"),
        (Wanted("x\0", "https://a.example/", "json", ALL), "Give it a name"),
        (Wanted("\udc80", "https://a.example/", "json", ALL), "Give it a name"),
        (Wanted("CI", "https://a.example/", "json", ALL), "called 'CI' already"),
        (Wanted("x", "", "json", ALL), "Enter the address"),
        (Wanted("x", "http://a.example/", "json", ALL), "https://"),
        (Wanted("x", "https://ada:pw@a.example/", "json", ALL), "user name or a password"),
        (Wanted("x", "https://10.1.2.3/", "json", ALL), "not of the Internet"),
        (Wanted("x", "https://a.example/", "xml", ALL), "one of the forms"),
        (Wanted("x", "https://a.example/", "json", ()), "at least one of the events"),
        (Wanted("x", "https://a.example/", "json", ("test",)), "at least one of the events"),
        (Wanted("x", "https://a.example/", "matrix", ALL, "t"), "address of a Matrix room"),
        (Wanted("x", MATRIX, "matrix", ALL), "access token"),
        (Wanted("x", MATRIX, "matrix", ALL, "a b"), "a space in it"),
        (Wanted("x", MATRIX, "matrix", ALL, "a\r\nX: y"), "access token"),
    ],
)
def test_what_is_no_webhook_is_refused(uow: UnitOfWork, wanted: Wanted, sentence: str) -> None:
    settings = replace(uow.settings, webhook_networks=())
    strict = UnitOfWork(uow.db, uow.storage, settings, uow.now)
    good = Wanted("CI", "https://a.example/", "json", ALL)
    webhooks.add(strict, OPERATOR, OfIndex(), good)
    with pytest.raises(InvalidRequest, match=sentence):
        webhooks.add(strict, OPERATOR, OfIndex(), wanted)


def test_there_are_not_too_many_and_a_token_stays_at_its_host(uow: UnitOfWork) -> None:
    scope = OfIndex()
    made = [
        webhooks.add(uow, OPERATOR, scope, Wanted(f"m{n}", MATRIX, "matrix", ALL, "t"))[0]
        for n in range(webhooks.MOST)
    ]
    with pytest.raises(InvalidRequest, match="20 webhooks already"):
        webhooks.add(uow, OPERATOR, scope, Wanted("x", MATRIX, "matrix", ALL, "t"))
    number = made[0].id
    kept = webhooks.change(uow, OPERATOR, scope, number, Wanted("m0", "", "matrix", ("staged",)))
    assert [event.value for event in kept.events] == ["staged"]
    elsewhere = MATRIX.replace("m.example/_", "evil.example/_")
    with pytest.raises(InvalidRequest, match="access token"):
        webhooks.change(uow, OPERATOR, scope, number, Wanted("m0", elsewhere, "matrix", ALL))


# Sending


def try_out(services: Services, number: int, clock: FakeClock) -> None:
    with services.writing() as uow:
        webhook_deliveries.try_out(uow, OPERATOR, OfIndex(), number)
    do_due(services)


def test_two_secrets_sign_for_a_day(
    services: Services, clock: FakeClock, receiver: Receiver
) -> None:
    number, first = hook(services, receiver.url, None)
    try_out(services, number, clock)
    with services.writing() as uow:
        shown, second = webhooks.rotate(uow, OPERATOR, OfIndex(), number)
    assert first != second
    try_out(services, number, clock)
    clock.advance(webhooks.BOTH_FOR)
    housekeeping.keep_house(services)
    try_out(services, number, clock)
    assert [verified(receiver, n, first, second) for n in range(3)] == [
        *([True, False], [True, True], [False, True])
    ]
    ids = [each.headers["greenroom-key-id"].split(" ") for each in receiver.heard]
    assert ids == [[ids[0][0]], [shown.key_id, ids[0][0]], [shown.key_id]]
    with services.reading() as uow:
        assert uow.db.scalars(select(Webhook.former_secret)).one() is None


def test_the_receiver_in_the_documentation_takes_what_is_signed_and_nothing_else(
    services: Services, clock: FakeClock, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (TEMPLATES.parent / "docs" / "webhooks.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    known: dict[str, Callable[[str, dict[str, str], bytes], bool]] = {}
    exec(code, known)
    number, secret = hook(services, receiver.url, None)
    with services.writing() as uow:
        webhooks.rotate(uow, OPERATOR, OfIndex(), number)
    try_out(services, number, clock)
    heard = receiver.heard[0]
    headers, check = dict(heard.headers), known["is_from_greenroom"]
    monkeypatch.setattr(time, "time", lambda: clock.now.timestamp() + 299)
    assert check(secret, headers, heard.body)
    other = {**headers, "webhook-id": "msg_other"}
    prefix, _, key = secret.partition("_")
    another = f"{prefix}_{'B' if key[0] == 'A' else 'A'}{key[1:]}"
    for forged in (
        *((another, headers, heard.body), (secret, headers, heard.body + b" ")),
        *((secret, other, heard.body), (secret, {**headers, "webhook-signature": "v1, é"}, b"")),
    ):
        assert not check(*forged)
    clock.advance(timedelta(minutes=10))
    assert not check(secret, headers, heard.body)


def test_a_receiver_that_fails_is_tried_again_with_growing_pauses(
    services: Services, clock: FakeClock, receiver: Receiver
) -> None:
    number, secret = hook(services, receiver.url, None)
    receiver.answers = [answer(500, b"<b>no</b>"), answer(503), lambda connection: None]
    try_out(services, number, clock)
    assert deliveries(services) == [("test", "waiting", 1, 500)]
    for pause, attempts in ((5, 2), (30, 3), (120, 4)):
        clock.advance(timedelta(seconds=pause - 1))
        do_due(services)
        assert len(receiver.heard) == attempts - 1
        clock.advance(timedelta(seconds=1))
        do_due(services)
        assert len(receiver.heard) == attempts
    assert deliveries(services) == [("test", "delivered", 4, 200)]
    assert len({each.headers["webhook-id"] for each in receiver.heard}) == 1
    assert len({each.body for each in receiver.heard}) == 1
    assert all(verified(receiver, n, secret) == [True] for n in range(4))
    with services.reading() as uow:
        shown = webhooks.find(uow, OPERATOR, OfIndex(), number)
        log, total = webhook_deliveries.listed(uow, OPERATOR, OfIndex(), number, start=0, count=9)
        assert (shown.failing_since, total, log[0].answer) == (None, 1, "fine")
        # Nothing of it is shown as a job that keeps failing.
        assert jobs.count_troubled(uow) == 0
    clock.advance(webhook_deliveries.KEPT + timedelta(days=1))
    housekeeping.keep_house(services)
    assert deliveries(services) == []


def test_what_is_given_up_can_be_sent_again(
    services: Services, clock: FakeClock, receiver: Receiver
) -> None:
    number, _ = hook(services, receiver.url, None)
    receiver.answers = [answer(500)] * 1000
    try_out(services, number, clock)
    for hours in (1, 22, 1):
        clock.advance(timedelta(hours=hours))
        assert [each[:2] for each in deliveries(services)] == [("test", "waiting")]
        do_due(services)
    assert deliveries(services) == [("test", "failed", 4, 500)]
    clock.advance(timedelta(hours=2))
    do_due(services)
    assert len(receiver.heard) == 4
    receiver.answers = []
    with services.writing() as uow:
        log, _ = webhook_deliveries.listed(uow, OPERATOR, OfIndex(), number, start=0, count=9)
        webhook_deliveries.send_again(uow, OPERATOR, OfIndex(), number, log[0].id)
    do_due(services)
    assert [each[:2] for each in deliveries(services)] == [("test", "delivered")]
    assert receiver.heard[-1].headers["webhook-id"] == receiver.heard[0].headers["webhook-id"]


def test_a_receiver_that_takes_nothing_for_days_is_switched_off_and_its_owners_told(
    services: Services, clock: FakeClock, ada: str, tmp_path: Path, receiver: Receiver
) -> None:
    settings = replace(
        services.settings, mail_url="smtp://127.0.0.1:1", mail_from="greenroom@index.example"
    )
    services = Services(services.database, services.storage, settings, clock)
    stage(services, make_sdist(tmp_path))
    with services.writing() as uow:
        factories.add_role(
            uow, projects.get(uow, "example"), factories.make_user(uow, "max"), RoleName.MAINTAINER
        )
    number, _ = hook(services, receiver.url)
    receiver.answers = [answer(500)] * 1000
    with services.writing() as uow:
        scope = OfProject(projects.get(uow, "example"))
        webhook_deliveries.try_out(uow, OPERATOR, scope, number)
    do_due(services)
    stage(services, make_wheel(tmp_path, tag="py2-none-any"))
    clock.advance(webhook_deliveries.SWITCHED_OFF_AFTER)
    do_due(services)
    with services.reading() as uow:
        shown = webhooks.listed(uow, OPERATOR, OfProject(projects.get(uow, "example")))[0]
        assert shown.disabled is not None
        assert shown.disabled_reason == "The receiver has taken nothing for 5 days."
        lines = uow.db.scalars(select(AuditEntry).where(AuditEntry.act == Kind.WEBHOOK_DISABLE))
        assert [(line.by, line.project) for line in lines] == [("webhooks", "example")]
        people = uow.db.scalars(
            select(Notification).where(Notification.act == Kind.WEBHOOK_DISABLE)
        ).all()
        assert len(people) == 1  # the owner, and not the maintainer
        assert not uow.db.scalars(
            select(WebhookDelivery).where(WebhookDelivery.state == DeliveryState.WAITING)
        ).all()
    heard = len(receiver.heard)
    stage(services, make_wheel(tmp_path))
    clock.advance(QUIET)
    do_due(services)
    assert len(receiver.heard) == heard
    with services.writing() as uow:
        scope = OfProject(projects.get(uow, "example"))
        with pytest.raises(InvalidRequest, match="switched off"):
            webhook_deliveries.try_out(uow, OPERATOR, scope, number)
        assert webhooks.switch(uow, OPERATOR, scope, number, on=True).failing_since is None


@pytest.mark.parametrize("has_owner", [True, False])
def test_who_runs_a_set_is_told_when_its_webhook_is_switched_off(
    services: Services, clock: FakeClock, ada: str, tmp_path: Path, receiver: Receiver,
    *, has_owner: bool,
) -> None:  # fmt: skip
    settings = replace(
        services.settings, mail_url="smtp://127.0.0.1:1", mail_from="greenroom@index.example"
    )
    services = Services(services.database, services.storage, settings, clock)
    one = stage(services, make_sdist(tmp_path, "one"))
    two = stage(services, make_sdist(tmp_path, "two"))
    with services.writing() as uow:
        factories.make_user(uow, "root", administrator=True)
        people = {"zoe": ("one", "two"), "max": ("one",)}
        for username, names in people.items():
            user = factories.make_user(uow, username)
            for name in names:
                factories.add_role(uow, projects.get(uow, name), user, RoleName.MAINTAINER)
        for number in (one, two):
            made = release_sets.add(
                uow, person(uow), uow.db.get_one(Draft, number), Reference("both")
            )
        hooked, _ = webhooks.add(
            uow, person(uow), OfSet(uow, made), Wanted("CI", receiver.url, "json", ALL)
        )
        if not has_owner:
            made.owner = None
            uow.db.flush()
        webhook_deliveries.try_out(uow, OPERATOR, OfSet(uow, made), hooked.id)
    receiver.answers = [answer(410)]
    do_due(services)
    with services.reading() as uow:
        lines = uow.db.scalars(select(AuditEntry).where(AuditEntry.act == Kind.WEBHOOK_DISABLE))
        said = {line.about: (line.project, line.detail.partition(";")[2]) for line in lines}
        reason = " The receiver is gone: it answered with status 410."
        told_of = (None, f"{reason} It is of the release set ada/both.")
        assert said == dict.fromkeys(["ada"] if has_owner else ["ada", "zoe"], told_of)
        of_act = Notification.act == Kind.WEBHOOK_DISABLE
        told_ones = select(User.username).join(Notification, Notification.user_id == User.id)
        assert set(uow.db.scalars(told_ones.where(of_act))) == set(said)


def test_what_only_one_message_suffers_from_holds_up_no_other(
    services: Services, clock: FakeClock, receiver: Receiver
) -> None:
    number, _ = hook(services, receiver.url, None)
    receiver.answers = [answer(400), answer(500)]
    with services.writing() as uow:
        row = uow.db.get_one(Webhook, number)
        for key in "abc":
            webhook_telling.queue(
                uow,
                row,
                webhook_telling.Told(webhook_events.Event.CHECKED, key),
                {"project": "example", "version": key, "time": uow.now.isoformat(), "by": "ada"},
            )
    do_due(services)
    assert [each[1:] for each in deliveries(services)] == [
        *(("waiting", 1, 400), ("waiting", 1, 500), ("waiting", 0, None))
    ]
    clock.advance(timedelta(seconds=5))
    do_due(services)
    assert {each[1] for each in deliveries(services)} == {"delivered"}
    assert [version for _, version in told(receiver)] == ["a", "b", "a", "b", "c"]
    receiver.answers = [answer(410)]
    try_out(services, number, clock)
    with services.reading() as uow:
        shown = webhooks.find(uow, OPERATOR, OfIndex(), number)
        assert shown.disabled_reason == "The receiver is gone: it answered with status 410."


def test_nobody_sends_to_a_receiver_that_somebody_else_is_sending_to(
    services: Services, clock: FakeClock, receiver: Receiver
) -> None:
    number, _ = hook(services, receiver.url, None)
    with services.writing() as uow:
        webhook_deliveries.try_out(uow, OPERATOR, OfIndex(), number)
    assert webhook_deliveries.take(services, number)
    outgoing = webhook_deliveries.next_of(services, number)
    assert outgoing is not None
    assert "very-secret" not in repr(outgoing)
    do_due(services)
    assert receiver.heard == []
    # Who took it has died. Somebody else takes it some time later.
    clock.advance(timedelta(minutes=2))
    do_due(services)
    assert told(receiver) == [("test", None)]
    # Or has not, and writes down what came of it, which changes nothing that is done.
    webhook_deliveries.record(services, outgoing, Outcome(error="too late"))
    webhook_deliveries.leave(services, number)
    # Removed meanwhile, nothing is written.
    with services.writing() as uow:
        webhooks.remove(uow, OPERATOR, OfIndex(), number)
    assert not webhook_deliveries.record(services, outgoing, Outcome(200))
    webhook_deliveries.leave(services, number)
    assert not webhook_deliveries.take(services, number)


def test_what_fails_before_anything_is_sent_is_tried_again_as_one_job(
    services: Services, clock: FakeClock, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, _ = hook(services, receiver.url, None)
    with monkeypatch.context() as patch:
        patch.setattr(messages, "document", lambda settings, outgoing: 1 / 0)
        for _ in range(3):
            try_out(services, number, clock) if not deliveries(services) else do_due(services)
            clock.advance(timedelta(seconds=10))
    assert [state for kind, state, _ in states(services) if kind == "webhook"] == ["waiting"]
    do_due(services)
    assert told(receiver) == [("test", None)]


def test_with_another_key_of_the_index_the_address_is_entered_again(
    services: Services, clock: FakeClock, receiver: Receiver
) -> None:
    number, _ = hook(services, receiver.url, None)
    settings = replace(services.settings, secret_key="another key of the index")
    other = Services(services.database, services.storage, settings, clock)
    try_out(other, number, clock)
    assert receiver.heard == []
    with other.writing() as uow:
        shown = webhooks.find(uow, OPERATOR, OfIndex(), number)
        assert "enter it again" in shown.disabled_reason
        wanted = Wanted("CI", receiver.url, "json", ALL)
        assert webhooks.change(uow, OPERATOR, OfIndex(), number, wanted).disabled is None
        _, secret = webhooks.rotate(uow, OPERATOR, OfIndex(), number)
    try_out(other, number, clock)
    assert verified(receiver, 0, secret) == [True]


def test_chat_rooms_get_a_line(
    services: Services, clock: FakeClock, ada: str, tmp_path: Path, receiver: Receiver
) -> None:
    room = "/_matrix/client/v3/rooms/!r:m.example/send/m.room.message"
    stage(services, make_sdist(tmp_path))
    hook(services, receiver.url, format="slack", name="slack")
    address = f"http://127.0.0.1:{receiver.port}{room}"
    hook(services, address, format="matrix", name="matrix", token="access-token")
    clock.advance(timedelta(minutes=1))
    stage(services, make_wheel(tmp_path))
    clock.advance(QUIET)
    do_due(services)
    slack, matrix = sorted(receiver.heard, key=lambda each: each.method)
    link = "http://index.example/manage/project/example/draft/1.0/"
    words = "ada changed the draft of example 1.0"
    assert json.loads(slack.body) == {"text": f"{words}\n<{link}>"}
    assert json.loads(matrix.body) == {"msgtype": "m.notice", "body": f"{words}\n{link}"}
    assert (matrix.method, slack.method) == ("PUT", "POST")
    assert matrix.target == f"{room}/{matrix.headers['webhook-id']}"
    assert matrix.headers["authorization"] == "Bearer access-token"
    assert "authorization" not in slack.headers


def test_a_line_for_slack_has_no_markup_of_others(services: Services) -> None:
    said = {"event": "checked", "project": "x", "by": "<!channel>&", "detail": "<http://e|x>\n"}
    assert messages._slack({**said, "links": {}}) == {
        "text": "&lt;!channel&gt;&amp; checked the draft of x: &lt;http://e|x&gt; "
    }


def test_more_than_a_receiver_can_take_is_given_up(
    uow: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_telling, "MOST_WAITING", 2)
    made: Hook = webhooks.add(
        uow, OPERATOR, OfIndex(), Wanted("CI", "https://a.example/", "json", ALL)
    )[0]
    row = uow.db.get_one(Webhook, made.id)
    for key in "abca":
        told = webhook_telling.Told(webhook_events.Event.CHECKED, key)
        webhook_telling.queue(uow, row, told, {})
    states = uow.db.scalars(select(WebhookDelivery.state).order_by(WebhookDelivery.id)).all()
    assert states == ["waiting", "waiting", "failed"]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # which one writer locks whole
def test_who_hangs_holds_up_nobody_and_no_transaction(
    services: Services, ada: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "LOOK_EVERY", 0.05)
    real = Services(services.database, services.storage, services.settings, utc_now)
    go_on, hanging = threading.Event(), threading.Event()

    def hang(connection: socket.socket) -> None:
        hanging.set()
        go_on.wait(9)  # a receiver is given up after ten seconds

    with receiving() as other:
        other.answers = [hang]
        slow, _ = hook(real, other.url, None, name="slow")
        quick, _ = hook(real, receiver.url, None, name="quick")
        stop = threading.Event()
        worker = threading.Thread(target=background.Worker(real).run, args=(stop,))
        worker.start()
        try:
            with real.writing() as uow:
                webhook_deliveries.try_out(uow, OPERATOR, OfIndex(), slow)
            assert hanging.wait(60)
            with real.writing() as uow:  # which a transaction that is open would hold up
                webhook_deliveries.try_out(uow, OPERATOR, OfIndex(), quick)
            receiver.arrivals.get(timeout=60)
        finally:
            go_on.set()
            stop.set()
            worker.join()
