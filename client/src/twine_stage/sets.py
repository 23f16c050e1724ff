"""Release sets: sessions of several projects that are published together, or not at all.

No part of PEP 694: this is how Greenroom adds them to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from twine_stage import uploads
from twine_stage.connection import Answer, Connection, printable
from twine_stage.errors import Failure, Refused, Unreachable
from twine_stage.uploads import ENDED, Session

_JOIN = "join-set"
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Member:
    """A session of a set, and what is in the way of its publication."""

    project: str
    version: str
    obstacles: Sequence[str]


@dataclass(frozen=True, slots=True)
class ReleaseSet:
    """A release set, as the index describes it.

    Attributes:
        name: whose it is, and its name.
        digest: names what is in it.
        outcome: how it has ended; None while it has not.
        hidden: how many sessions the credentials do not cover.
    """

    url: str
    name: str
    status: str
    digest: str
    links: Mapping[str, str]
    members: Sequence[Member]
    hidden: int
    notices: Sequence[str]
    outcome: str | None = None

    @property
    def expires(self) -> str:
        """Nothing: a set ends with its drafts, at no moment of its own."""
        return ""


def check_offered(session: Session) -> None:
    """Nothing, if the index of this session has release sets.

    Raises:
        Failure: it does not tell of any.
    """
    if _JOIN not in session.links:
        raise Failure("This index has no release sets: --set means nothing there.")


def join(connection: Connection, session: Session, name: str) -> Session:
    """Put the session into the set of this name, which is made where it is new.

    Raises:
        Refused: the index does not take it there.
        Failure: it has no release sets.
    """
    check_offered(session)
    answer = connection.call("POST", session.links[_JOIN], {"set": name})
    return uploads.parse_session(answer, session.url)


def find(connection: Connection, root: str, name: str) -> ReleaseSet:
    """The open set of this name.

    Raises:
        Refused: there is none that the credentials may see.
    """
    return parse(connection.call("GET", f"{root}set/?name={quote(name, safe='')}"))


def publish(connection: Connection, found: ReleaseSet, digest: str) -> ReleaseSet:
    """Publish all of it with this content, and wait until that is decided.

    Raises:
        Refused: it cannot be published; the sentence has every reason.
        Failure: a review refused it.
    """
    for attempt in range(_TRIES):
        if found.status in ENDED or found.status == "processing":
            break
        try:
            message = {"content-digest": digest}
            found = parse(connection.call("POST", found.links["publish"], message))
            break
        except Unreachable:
            if attempt == _TRIES - 1:
                raise
            connection.pause(2**attempt)
            found = parse(connection.call("GET", found.url))
    while found.status == "processing":
        answer = connection.call("GET", found.url)
        found = parse(answer)
        if found.status == "processing":
            connection.pause(uploads.poll_pause(answer))
    if found.status != "published":
        raise Failure(
            f"The index did not publish the release set {found.name}: it is {found.status}. Look "
            "at the sessions in it."
        )
    return found


def review(connection: Connection, found: ReleaseSet) -> uploads.Review:
    """The review of all that is in the set.

    Raises:
        Failure: this index does not review sets.
    """
    if "review" not in found.links:
        raise Failure(f"The index has no review of the release set {found.name}.")
    gone = Failure(f"There is no open release set {found.name} that these credentials may see.")
    return uploads.Review(connection, found.links["review"], "", gone)


def missing(refused: Refused, name: str) -> Failure:
    """That there is no set of this name, or no sets at all."""
    said = " ".join(refused.sentences)
    return Failure(said or f"There is no open release set {printable(name)!r}.")


def body_of(found: ReleaseSet) -> dict[str, Any]:
    """The set, as scripts are told of it."""
    return {
        "set": found.name,
        "url": found.url,
        "status": found.status,
        "content-digest": found.digest,
        "stage": found.links.get("stage"),
        "hidden": found.hidden,
        "sessions": [
            {
                "project": member.project,
                "version": member.version,
                "obstacles": list(member.obstacles),
            }
            for member in found.members
        ],
    }


def lines_of(found: ReleaseSet) -> list[str]:
    """The set, as people are told of it."""
    lines = [f"{found.name} is {found.status}. Its content is {found.digest}."]
    for member in found.members:
        lines.append(f"  {member.project} {member.version}")
        if found.status not in ENDED:
            lines += [f"    {obstacle}" for obstacle in member.obstacles]
    if found.hidden:
        lines.append(f"  and {found.hidden} that these credentials do not cover")
    if "stage" in found.links:
        lines.append(f"Its simple index: {found.links['stage']}")
    return lines


def parse(answer: Answer) -> ReleaseSet:
    """The release set that an answer describes.

    Raises:
        Failure: it describes none.
    """
    match answer.body:
        case {
            "name": str(name),
            "status": str(status),
            "content-digest": str(digest),
            "links": {"set": str(url), **links},
            "sessions": list(sessions),
        }:
            hidden, notices = answer.body.get("hidden"), answer.body.get("notices")
            outcome = answer.body.get("outcome")
            return ReleaseSet(
                url=url,
                name=printable(name),
                status=printable(status),
                digest=printable(digest),
                links={str(key): value for key, value in links.items() if isinstance(value, str)},
                members=[_member(session) for session in sessions if isinstance(session, dict)],
                hidden=hidden if isinstance(hidden, int) else 0,
                notices=[printable(str(text)) for text in notices or () if isinstance(text, str)],
                outcome=outcome if isinstance(outcome, str) else None,
            )
    raise Failure("The index does not answer as one with release sets does.")


def _member(session: Mapping[str, Any]) -> Member:
    obstacles = session.get("obstacles")
    return Member(
        printable(str(session.get("name", ""))),
        printable(str(session.get("version", ""))),
        [printable(str(text)) for text in obstacles] if isinstance(obstacles, list) else [],
    )
