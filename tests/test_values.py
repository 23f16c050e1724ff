"""Values: they are what frozen dataclasses with slots are, to whoever uses them."""

import pickle
from copy import copy, deepcopy
from dataclasses import asdict, dataclass, field, fields, replace

import pytest

from greenroom.values import frozen


@frozen
class Place:
    """A value."""

    street: str
    number: int = 1
    seen: list[str] = field(default_factory=list, compare=False)
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class PlaceOfDataclasses:
    """The same, as the standard library makes it."""

    street: str
    number: int = 1
    seen: list[str] = field(default_factory=list, compare=False)
    key: str = field(default="", repr=False)


@frozen
class Corner(Place):
    """A value with one field more."""

    other_street: str = ""


@frozen
class Another:
    """A value of another class with an equal field."""

    street: str


@frozen
class Nowhere:
    """A value without any field."""


@frozen
class Nothing:
    """Another one."""


@frozen
class Secret:
    """A value that says itself how it is shown."""

    text: str

    def __repr__(self) -> str:
        return "Secret"


def test_equal_are_those_of_one_class_with_equal_fields() -> None:
    assert Place("Elm", 2) == Place("Elm", 2)
    assert Place("Elm", 2) != Place("Elm", 3)
    assert Place("Elm", 2) != Place("Oak", 2)
    assert Place("Elm", 1) != Corner("Elm", 1)
    assert Corner("Elm", 1, other_street="Oak") != Corner("Elm", 1, other_street="Ash")
    assert Nowhere() == Nowhere()


@pytest.mark.parametrize("other", ["Elm", Secret("Elm"), ("Elm",), Nowhere(), None])
def test_nothing_of_another_class_is_equal(other: object) -> None:
    assert Another("Elm") != other
    assert other != Another("Elm")


def test_without_any_field_the_class_alone_counts() -> None:
    values: list[object] = [Nowhere(), Nothing()]
    assert values[0] != values[1]


def test_a_field_that_is_not_compared_is_not() -> None:
    assert Place("Elm", seen=["cat"]) == Place("Elm")
    assert hash(Place("Elm", seen=["cat"])) == hash(Place("Elm"))


def test_a_set_knows_them() -> None:
    values = {Place("Elm"), Place("Elm"), Place("Oak"), Corner("Elm"), Nowhere(), Nowhere()}
    assert len(values) == 4
    assert Place("Oak", 1) in values
    assert Place("Oak", 2) not in values


def test_one_with_a_field_that_has_no_hash_has_none() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Another(["Elm"]))  # type: ignore[arg-type]


def test_they_are_shown_with_their_fields() -> None:
    theirs = repr(PlaceOfDataclasses("Elm", key="hidden"))
    assert repr(Place("Elm", key="hidden")) == theirs.replace("PlaceOfDataclasses", "Place")
    assert repr(Nowhere()) == "Nowhere()"
    assert repr(Secret("hidden")) == "Secret"


def test_what_dataclasses_does_with_its_own_it_does_with_them() -> None:
    value, theirs = Place("Elm", 2), PlaceOfDataclasses("Elm", 2)
    assert asdict(value) == asdict(theirs)
    assert [each.name for each in fields(value)] == [each.name for each in fields(theirs)]
    assert replace(value, number=3) == Place("Elm", 3)
    match value:
        case Place(street, number):
            assert (street, number) == ("Elm", 2)


def test_copies_are_equal() -> None:
    value = Place("Elm", 2, key="k")
    for made in (copy(value), deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert made == value
        assert made.key == "k"


def test_they_have_no_other_fields() -> None:
    with pytest.raises(AttributeError):
        Place("Elm").colour = "red"  # type: ignore[attr-defined]
    assert not hasattr(Place("Elm"), "__dict__")


def test_the_type_checker_lets_nobody_assign_to_a_field() -> None:
    """It would say that the comment is of no use, were there no error here."""
    value = Place("Elm")
    value.street = "Oak"  # type: ignore[misc]
