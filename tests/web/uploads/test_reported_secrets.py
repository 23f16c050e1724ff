"""``POST /_/secrets/reported``: who shows a token has it revoked."""

import base64
import hashlib
import json
from typing import Any

import pytest
from sqlalchemy import select

from greenroom.models import AuditEntry, Token
from greenroom.registry import token_texts, tokens
from greenroom.registry.errors import NotAuthenticated
from tests.web.conftest import Site
from tests.web.standing import fetch
from tests.web.test_queries import statements

WHERE = "/_/secrets/reported"


def report(site: Site, *found: dict[str, str]) -> Any:
    return site.app.post_json(WHERE, list(found), status=200).json


def found(text: str, **more: str) -> dict[str, str]:
    return {"token": text, "type": "greenroom", "url": "", "source": "content"} | more


def is_valid(site: Site, text: str) -> bool:
    try:
        with site.services.reading() as uow:
            return bool(tokens.actor_of_token(uow, text))
    except NotAuthenticated:
        return False


def test_what_is_reported_is_revoked_and_its_owner_told(site: Site) -> None:
    site.user("ada")
    site.user("eve")
    reported, kept, of_eve = site.token("ada"), site.token("ada"), site.token("eve")
    url = f"https://user:pass@forge.example/ada/thing/{kept}/ci.yml?secret=1#L1"
    another = token_texts.new_text()

    answer = report(
        site,
        found(reported, url=url),
        found(another),
        found(reported[:-1] + "-"),
        found("ghp_something"),
        found(of_eve, source="pull request\nbad"),
        found(kept[:11]),
    )

    labels = ["true_positive", *["false_positive"] * 3, "true_positive", "false_positive"]
    assert [each["label"] for each in answer] == labels
    digest = hashlib.sha256(reported.encode()).digest()
    assert answer[0]["token_hash"] == base64.urlsafe_b64encode(digest).decode()
    assert answer[0]["token_type"] == "greenroom"
    assert reported not in str(answer)
    assert [is_valid(site, text) for text in (reported, kept, of_eve)] == [False, True, False]
    wanted = select(AuditEntry).where(AuditEntry.act == "token-reported").order_by(AuditEntry.about)
    with site.services.reading() as uow:
        lines = uow.db.scalars(wanted).all()
    assert [(line.by, line.about) for line in lines] == [("anonymous", "ada"), ("anonymous", "eve")]
    assert lines[0].detail == (
        f"{reported[:11]} (test), found at https://forge.example/ada/thing/{kept[:11]}…/ci.yml "
        "(content)"
    )
    assert lines[1].detail == f"{of_eve[:11]} (test)"

    again = report(site, found(reported), found(reported))
    assert [each["label"] for each in again] == ["true_positive"] * 2
    with site.services.reading() as uow:
        assert len(uow.db.scalars(wanted).all()) == 2
        assert len(uow.db.scalars(select(Token).where(Token.revoked.is_not(None))).all()) == 2


def test_what_is_mistyped_is_looked_for_nowhere(site: Site) -> None:
    with statements(site.services.database) as asked:
        report(site, *[found(token_texts.new_text()[:-1] + "-") for _ in range(100)])
        assert asked == []
        report(site, *[found(token_texts.new_text()) for _ in range(100)])
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"{}", 400),
        (b"[1]", 400),
        (b'[{"url": "x"}]', 400),
        (b'[{"token": 1}]', 400),
        (b'[{"token": "\xff"}]', 400),
        (b"[" * 5000, 400),
        (json.dumps([{"token": "x"}] * 101).encode(), 400),
        (json.dumps([{"token": "x" * 70_000}]).encode(), 413),
        (b"[]", 200),
        (b'[{"token": "\\ud800"}]', 400),
        (b'[{"token": "x", "url": "https://[", "more": {}}]', 200),
    ],
)
def test_what_is_no_report_changes_nothing(site: Site, body: bytes, status: int) -> None:
    answer = fetch(
        site, WHERE, method="POST", headers={"Content-Type": "application/json"}, body=body
    )
    assert answer.status_int == status
    assert answer.content_type == "application/json"
