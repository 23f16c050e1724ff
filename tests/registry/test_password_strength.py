"""How hard a password is to guess."""

import ast
from pathlib import Path

import pytest
import zxcvbn.matching
from zxcvbn.frequency_lists import FREQUENCY_LISTS

import greenroom
from greenroom.registry import accounts, password_strength, registration, signing_in
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.passwords import LONGEST_PASSWORD, SHORTEST_PASSWORD
from greenroom.registry.unit_of_work import Services, UnitOfWork
from tests import factories
from tests.factories import HOME, PASSWORD, one_unit

OWN = password_strength.own_words(
    "ada.lovelace", "countess@analytical.example", "https://packages.index.example/pypi"
)


def problems(password: str) -> list[str]:
    return password_strength.problems(password, OWN)


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "another good password",
        'h+8wf"VY@Mqc!3NT:0`V',
        "Zwölf Boxkämpfer jagen",
        "пароль из четырёх слов",
        "a" * 40 + " wisdom turtle gravel",  # what is hard to guess may stand at the end
        "ada keeps green turtles",
    ],
)
def test_what_is_hard_to_guess_does(password: str) -> None:
    assert problems(password) == []


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("password123", "very common"),
        ("P@$$w0rd2026", "easy to guess"),
        ("qwertyuiop", "easy to guess"),
        ("aaaaaaaaaaaaaaaaaaaa", "Repeats"),
        ("abcdefghijklmn", "Sequences"),
        ("x" * LONGEST_PASSWORD, "Repeats"),
        ("1234567890123", "easy to guess"),
        ("ada.lovelace", "your user name"),
        ("AdaLovelace1815", "your user name"),
        ("countess@analytical.example", "your e-mail address"),
        ("analytical2026", "your e-mail address"),
        ("packages.index.example", "name of this index"),
        ("GreenRoom2026!", "name of this index"),
        ("ada-greenroom-ada", "name of this index"),
    ],
)
def test_what_is_easy_to_guess_does_not_and_the_sentence_says_what_to_do(
    password: str, said: str
) -> None:
    (sentence,) = problems(password)
    assert said in sentence
    assert "words that" in sentence


def test_none_of_the_commonest_passwords_does() -> None:
    commonest = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= SHORTEST_PASSWORD]
    assert len(commonest) > 500
    assert [word for word in commonest if not problems(word)] == []


def test_no_password_takes_long_to_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    # All signs that may stand for letters: the estimator reads it in every way that there is.
    signs = "4@8({[<3691!|0$5+7%2"
    lengths = []
    plain = zxcvbn.matching.dictionary_match

    def counting(password: str, _ranked_dictionaries: dict[str, dict[str, int]]) -> object:
        lengths.append(len(password))
        return plain(password, _ranked_dictionaries)

    monkeypatch.setattr(zxcvbn.matching, "dictionary_match", counting)
    for start in range(0, 20, 4):
        lengths.clear()
        problems((signs[start:] + signs) * 25)
        assert max(lengths) <= 32
        assert len(lengths) < 100


@pytest.mark.parametrize("weak", ["ada-at-greenroom", "password1234"])
def test_a_weak_password_begins_no_account_and_replaces_none(uow: UnitOfWork, weak: str) -> None:
    user = factories.make_user(uow)
    services = one_unit(uow)
    with pytest.raises(InvalidRequest, match="words that"):
        accounts.prepared("ada", "ada@index.example", weak)
    with pytest.raises(InvalidRequest, match="words that"):
        registration.register(services, "ada2", "ada@index.example", weak, HOME)
    with pytest.raises(InvalidRequest, match="words that"):
        signing_in.change_password(services, user.id, PASSWORD, weak)
    assert accounts.find_user(uow.db, "ada2") is None
    assert signing_in.sign_in(services, "ada", PASSWORD, HOME) is not None


def test_a_password_that_was_chosen_before_it_was_judged_opens_still(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(password_strength, "problems", lambda password, own: [])
        old = accounts.prepared("ada", "ada@index.example", "password12")
    with services.writing() as uow:
        accounts.create_user(uow, old)
    assert signing_in.sign_in(services, "ada", "password12", HOME) is not None


def test_the_estimator_is_loaded_when_a_password_is_chosen_and_not_before() -> None:
    loading = []
    for path in Path(greenroom.__file__).parent.rglob("*.py"):
        at_once = ast.parse(path.read_text()).body
        imports = (line for line in at_once if isinstance(line, ast.Import | ast.ImportFrom))
        loading += [path.name for line in imports if "zxcvbn" in ast.unparse(line)]
    assert loading == []
