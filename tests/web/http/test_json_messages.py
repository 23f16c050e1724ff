"""Messages in JSON: what is taken, and how all that is wrong with one is said."""

import json
from typing import Annotated, Literal

import msgspec
import pytest

from greenroom.registry.errors import InvalidRequest
from greenroom.web.http import json_messages

SECRET = "pypi-AgEIcHlwaS5vcmc"


class About(msgspec.Struct, frozen=True, rename="kebab"):
    api_version: Literal["1.0", "2.0"]


class Order(msgspec.Struct, frozen=True, rename="kebab"):
    about: About
    first_name: Annotated[str, msgspec.Meta(min_length=1, max_length=3)]
    count: Annotated[int, msgspec.Meta(ge=0, le=9)]
    sums: Annotated[
        dict[
            Annotated[str, msgspec.Meta(max_length=4)], Annotated[str, msgspec.Meta(max_length=2)]
        ],
        msgspec.Meta(max_length=2),
    ] = msgspec.field(default_factory=dict)
    kinds: list[Literal["a", "b"]] = msgspec.field(default_factory=list)
    set_: str | None = msgspec.field(name="set", default=None)


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str = ""


GOOD: dict[str, object] = {"about": {"api-version": "2.0"}, "first-name": "ada", "count": 3}


def wrong_with(body: object, model: type[msgspec.Struct] = Order, most: int = 5) -> list[str]:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InvalidRequest) as caught:
        json_messages.read(sent, model, "Send another.", most)
    assert str(caught.value) == f"Send another. {caught.value.details[0]}"
    assert SECRET not in "".join([str(caught.value), *caught.value.details])
    return list(caught.value.details)


def test_a_message_is_read() -> None:
    sent = GOOD | {"sums": {"a": "b"}, "set": "x", "else": {"api-version": 1}}

    assert json_messages.read(json.dumps(sent).encode(), Order, "", 5) == Order(
        About("2.0"), "ada", 3, {"a": "b"}, [], "x"
    )


def test_of_a_key_that_comes_twice_the_last_one_counts() -> None:
    assert json_messages.read(b'{"name": 1, "name": "a"}', Strict, "", 5) == Strict("a")


@pytest.mark.parametrize("written", [b"3", b"3.0", b"3e0", b"30E-1"])
def test_a_whole_number_may_have_a_fraction_of_zero(written: bytes) -> None:
    body = json.dumps(GOOD).encode().replace(b"3", written)

    read = json_messages.read(body, Order, "", 5)

    assert read.count == 3
    assert type(read.count) is int


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        (b"3.5", "Expected `int`, got `float`"),
        (b"true", "Expected `int`, got `bool`"),
        (b"null", "Expected `int`, got `null`"),
        (b'"3"', "Expected `int`, got `str`"),
        (b"-1", "Expected `int` >= 0"),
        (b"-1.0", "Expected `int` >= 0"),
        (b"10", "Expected `int` <= 9"),
        (b"1e300", "Expected `int` <= 9"),
        (b"9" * 400, "Expected `int` <= 9"),
    ],
)
def test_another_number_is_refused(written: bytes, sentence: str) -> None:
    body = json.dumps(GOOD).encode().replace(b"3", written)

    assert wrong_with(body) == [f"count: {sentence}."]


def test_every_key_that_is_wrong_is_named() -> None:
    assert wrong_with({"about": {}, "first-name": 1, "set": []}) == [
        "about.api-version: This key is missing.",
        "first-name: Expected `str`, got `int`.",
        "count: This key is missing.",
        "set: Expected `str | null`, got `array`.",
    ]
    assert wrong_with(GOOD | {"about": [], "first-name": "adam"}) == [
        "about: Expected `object`, got `array`.",
        "first-name: Expected `str` of length <= 3.",
    ]


@pytest.mark.parametrize("value", [SECRET, 2.0, None, ["2.0"], {"2.0": SECRET}, "2.0\n"])
def test_one_of_certain_texts_is_asked_for(value: object) -> None:
    assert wrong_with(GOOD | {"about": {"api-version": value}}) == [
        'about.api-version: Expected "1.0" or "2.0".'
    ]


def test_what_is_wrong_in_an_object_or_an_array_is_named() -> None:
    assert wrong_with(GOOD | {"sums": {"a": 1, "secret": "bcd"}}) == [
        "sums.a: Expected `str`, got `int`.",
        "sums.secret (the key): Expected `str` of length <= 4.",
        "sums.secret: Expected `str` of length <= 2.",
    ]
    assert wrong_with(GOOD | {"sums": {"a": 1, "b": 2, "c": 3}}) == [
        "sums: Expected `object` of length <= 2."
    ]
    assert wrong_with(GOOD | {"kinds": ["a", 1]}) == ["kinds[1]: Expected `str`, got `int`."]
    assert wrong_with(GOOD | {"kinds": ["a", SECRET]}) == ["kinds: This value is not known."]


def test_a_key_that_is_not_known_is_named_in_short() -> None:
    assert wrong_with({"name": SECRET, "nam\u202e\n": SECRET, "x" * 1000: 1}, Strict) == [
        r"nam\u202e\n: This key is not known.",
        f"{'x' * 60}: This key is not known.",
    ]


def test_no_more_is_told_than_asked_for() -> None:
    many = {str(number): number for number in range(1000)}

    assert len(wrong_with(many, Strict, most=7)) == 7


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"[]", "Expected `object`, got `array`."),
        (b"null", "Expected `object`, got `null`."),
        (b"", "The JSON cannot be read: Input data was truncated."),
        (b'{"name": "a"', "The JSON cannot be read: Input data was truncated."),
        (b'{"name": 1e400}', "The JSON cannot be read: Number out of range."),
        (b'{"name": ' + b"9" * 5000, "The JSON cannot be read: Integer value out of range."),
        (b'{"name": "\xff"}', "The JSON cannot be read: Invalid UTF-8 encoded string."),
        (b"[" * 60_000, "The JSON is nested too deeply."),
        (b'{"a":' * 10_000, "The JSON is nested too deeply."),
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes, sentence: str) -> None:
    assert wrong_with(body, Strict) == [sentence]


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "\\ud800"}',
        b'{"name": "\\ud800 and more"}',
        b'{"\\udfff": 1}',
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b"{'name': 1}",
        b'{"name": "a",}',
        b'{"name": "a"} {}',
        b'\xef\xbb\xbf{"name": "a"}',
        '{"name": "a"}'.encode("utf-16"),
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    (sentence,) = wrong_with(body, Strict)
    assert sentence.startswith("The JSON cannot be read: ")
