"""The operator's commands for accounts, tokens and sessions: what they print and refuse."""

import json
from pathlib import Path

import pytest

from greenroom.models import RoleName
from greenroom.registry import accounts, roles, sessions, signing_in
from greenroom.registry.permissions import OPERATOR
from tests import factories
from tests.artifacts import make_wheel
from tests.factories import HOME, PASSWORD
from tests.serving import command
from tests.whole_index import Environment, index_in, opened

NEW_PASSWORD = "a better horse, a bigger battery"


@pytest.fixture
def index(tmp_path: Path) -> Environment:
    """An index with Root, an administrator, Ada, who owns a project, and Eve."""
    environment = index_in(tmp_path)
    command(environment, "db", "upgrade")
    with opened(environment) as services, services.writing() as uow:
        factories.make_user(uow, "root", administrator=True)
        ada, eve = factories.make_user(uow, "ada"), factories.make_user(uow, "eve", verified=False)
        project = factories.release(uow, ada, make_wheel(tmp_path / "dist"))
        roles.give(uow, OPERATOR, project, "eve", RoleName.MAINTAINER)
        factories.make_token(uow, ada, project=project, label="ci")
        sessions.begin(uow, accounts.signed_in(eve), sessions.Browser("a browser"))
    return environment


def printed(environment: Environment, *arguments: str, stdin: str = "") -> str:
    result = command(environment, *arguments, stdin=stdin)
    assert result.returncode == 0, result.stderr
    return result.stdout


def refused(environment: Environment, *arguments: str, stdin: str = "", code: int = 1) -> str:
    result = command(environment, *arguments, stdin=stdin)
    assert (result.returncode, result.stdout) == (code, ""), result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def test_what_lists_print(index: Environment) -> None:
    def names(*arguments: str) -> list[str]:
        found = json.loads(printed(index, "user", "list", "--json", *arguments))
        return [account["name"] for account in found]

    assert names() == ["eve", "ada", "root"]
    assert names("AD") == ["ada"]
    assert names("--state", "administrator") == ["root"]
    assert names("--state", "deleted") == []
    table = printed(index, "user", "list")
    assert "administrator" in table
    assert "not verified" in table
    assert printed(index, "user", "list", "nobody") == "There are no such accounts.\n"
    [token] = json.loads(printed(index, "token", "list", "--json"))
    assert (token["user"], token["label"], token["project"]) == ("ada", "ci", "example")
    assert token["prefix"] in printed(index, "token", "list", "--user", "ada")
    assert printed(index, "token", "list", "--user", "eve") == "There are no tokens.\n"
    [session] = json.loads(printed(index, "session", "list", "--json"))
    assert session["user"] == "eve"
    assert "eve" in printed(index, "session", "list")
    assert printed(index, "session", "list", "--user", "ada") == "There are no sessions.\n"


def test_what_is_shown_of_an_account(index: Environment) -> None:
    printed(index, "user", "disable", "ada", "--reason", "She left.")
    shown = json.loads(printed(index, "user", "show", "ADA", "--json"))
    assert shown["name"] == "ada"
    assert shown["email"] == "ada@index.example"
    assert (shown["disabled-reason"], shown["disabled-by"]) == ("She left.", "operator")
    assert shown["roles"] == [{"project": "example", "role": "owner", "team": None}]
    assert (shown["uploads"], shown["tokens"]) == (1, [])
    lines = printed(index, "user", "show", "ada").splitlines()
    assert lines[0].startswith("ada <ada@index.example>, since ")
    assert any(line.endswith("by operator: She left.") for line in lines)
    assert "owner of example" in lines
    assert "It is an administrator." in printed(index, "user", "show", "root")
    assert "There is no user 'nobody'." in refused(index, "user", "show", "nobody")


def test_the_password_comes_from_standard_input_and_is_not_printed(index: Environment) -> None:
    said = printed(index, "user", "set-password", "eve", "--password-stdin", stdin=NEW_PASSWORD)
    assert said == "The password of eve is set.\n"
    assert "too short" in refused(
        index, "user", "set-password", "eve", "--password-stdin", stdin="short"
    )
    assert "--password-stdin" in refused(index, "user", "set-password", "eve", code=2)
    with opened(index) as services:
        assert signing_in.sign_in(services, "eve", PASSWORD, HOME) is None
        assert signing_in.sign_in(services, "eve", NEW_PASSWORD, HOME) is not None
    assert printed(index, "session", "list") == "There are no sessions.\n"


def test_links_are_printed_alone(index: Environment) -> None:
    for arguments, path in [
        (("invite", "bob@index.example"), "/account/invitation?key="),
        (("reset-link", "ada"), "/account/password-reset?key="),
    ]:
        result = command(index, "user", *arguments)
        assert result.stdout.startswith(f"http://127.0.0.1:6543{path}")
        assert result.stdout.count("\n") == 1
        assert "GREENROOM_URL is not set" in result.stderr
        assert "It can be used once, until " in result.stderr
        named = index | {"GREENROOM_URL": "https://index.example"}
        result = command(named, "user", *arguments)
        assert result.stdout.startswith(f"https://index.example{path}")
        assert "GREENROOM_URL" not in result.stderr
    assert "is not an e-mail address" in refused(index, "user", "invite", "bob")
    assert "has an administrator" in refused(index, "user", "first-administrator-link")


def test_who_deletes_an_account_types_its_name(index: Environment) -> None:
    assert "'ada' is the last owner of 'example'" in refused(
        index, "user", "delete", "ada", "--yes"
    )
    assert "last administrator" in refused(index, "user", "delete", "root", "--yes")
    assert "There is no user 'nobody'" in refused(index, "user", "delete", "nobody", "--yes")
    for typed in ("", "y\n", "ada\n"):
        result = command(index, "user", "delete", "eve", stdin=typed)
        assert result.returncode == 1
    printed(index, "user", "delete", "eve", stdin="eve\n")
    assert "There is no user 'eve'" in refused(index, "user", "show", "eve")
    assert "is taken" in refused(
        index, "user", "create", "Eve", "--email", "e@x.example", "--password-stdin",
        stdin=PASSWORD,
    )  # fmt: skip
    [deleted] = json.loads(printed(index, "user", "list", "--state", "deleted", "--json"))
    assert (deleted["name"], deleted["email"]) == ("eve", None)
    assert deleted["deleted"]


def test_what_ends_what_people_have_shown_who_they_are_with(index: Environment) -> None:
    [token] = json.loads(printed(index, "token", "list", "--json"))
    for which in ("gr_", "99", "9" * 30, "é", f"{token['prefix'][:-1]}"):
        assert "There is no such token" in refused(index, "token", "revoke", which)
    printed(index, "token", "revoke", str(token["id"]))
    assert "There is no such token" in refused(index, "token", "revoke", token["prefix"])
    [session] = json.loads(printed(index, "session", "list", "--json"))
    assert "There is no such session" in refused(index, "session", "end", "9" * 30)
    for wrong in ((), ("x",), ("0",), (str(session["id"]), "--user", "eve")):
        refused(index, "session", "end", *wrong, code=2)
    printed(index, "session", "end", str(session["id"]))
    assert printed(index, "session", "end", "--user", "eve").endswith("ended: 0.\n")
