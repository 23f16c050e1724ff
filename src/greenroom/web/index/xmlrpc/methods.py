"""The methods that XML-RPC clients may call: names, parameters, and what the index answers."""

from collections.abc import Callable, Mapping

from msgspec import Struct
from sqlalchemy.orm import Session

from greenroom.registry import accounts, catalogue, journal
from greenroom.web.index.xmlrpc.protocol import NO_SUCH_METHOD, WRONG_PARAMETERS, Call, Fault

_MOST_ENTRIES = 50_000
_TYPES = {int: "an integer", str: "a string"}


class Method(Struct, frozen=True):
    """What is called, and of which type each of its parameters is."""

    answer: Callable[..., object]
    parameters: Mapping[str, type]


def perform(db: Session, call: Call) -> object:
    """The result of a call.

    Raises:
        Fault: there is no such method, or the parameters are not those that it takes.
    """
    method = METHODS.get(call.method)
    if method is None:
        raise Fault(
            NO_SUCH_METHOD,
            f"There is no method {call.method[:60]!r}. There are: {', '.join(METHODS)}.",
        )
    # A boolean is an integer for Python only.
    given = [type(value) for value in call.parameters]
    if given != list(method.parameters.values()):
        expected = [f"{name} ({_TYPES[kind]})" for name, kind in method.parameters.items()]
        takes = f"takes {' and '.join(expected)}" if expected else "takes no parameters"
        raise Fault(WRONG_PARAMETERS, f"The method {call.method} {takes}.")
    return method.answer(db, *call.parameters)


def _changelog_since_serial(db: Session, serial: int) -> list[tuple[object, ...]]:
    """Name, version or None, time, action and serial of what changed after a serial, in order."""
    return [
        (entry.project_name, entry.version, int(entry.at.timestamp()), entry.action, entry.serial)
        for entry in journal.entries_since(db, serial, _MOST_ENTRIES)
    ]


def _package_roles(db: Session, name: str) -> list[tuple[str, str]]:
    """Role and user name of everybody who works on a project."""
    project = catalogue.find(db, name)
    if project is None:
        return []
    return [(role.title(), username) for role, username in catalogue.people(db, project)]


def _user_packages(db: Session, username: str) -> list[tuple[str, str]]:
    """Role and name of every project that a user works on."""
    user = accounts.find_user(db, username)
    if user is None:
        return []
    return [(role.title(), name) for role, name in catalogue.roles_of(db, user)]


METHODS = {
    "changelog_last_serial": Method(journal.last_serial, {}),
    "changelog_since_serial": Method(_changelog_since_serial, {"serial": int}),
    "list_packages_with_serial": Method(catalogue.project_serials, {}),
    "package_roles": Method(_package_roles, {"name": str}),
    "user_packages": Method(_user_packages, {"user": str}),
}
