"""Creating publishing sessions, once and more than once."""

from conformance.distributions import normalized
from conformance.laboratory import Laboratory
from conformance.register import MUST, SHOULD, STATED, Need, case
from conformance.scenes import cancellation, creation, known, public_page
from conformance.verdicts import NotArranged, expect

_SECTION = "Create a Publishing Session"
_MULTIPLE = "Multiple Session Creation Requests"


@case(
    _SECTION,
    STATED,
    "Upon successful session creation, the server returns a 201 Created response",
    "A release starts by creating a new publishing session",
)
def creation_answers_201(lab: Laboratory) -> None:
    """A session is asked for, for a new project."""
    answer = lab.scene(creation).session.created

    expect(answer.status == 201, f"{answer}")


@case(
    _SECTION,
    MUST,
    "The response MUST also include a Location header containing the same URL as the links.session",
)
def creation_has_a_location(lab: Laboratory) -> None:
    """The header of the creation is compared with the body."""
    session = lab.scene(creation).session
    location, url = session.created.location, session.link("session")

    expect(location == url, f"Location is {location!r}, links.session is {url!r}")


@case(_SECTION, STATED, "The request includes the following top-level keys")
def required_keys_are_required(lab: Laboratory) -> None:
    """Sessions are asked for without meta, without name and without version."""
    for key in ("meta", "name", "version"):
        answer = lab.request_session(lab.owner, lab.project, lab.new_version(), **{key: None})

        expect(answer.refused, f"{answer}, without the key {key!r}")


@case(_SECTION, MUST, "The name MUST conform to the standard package name format")
def name_has_the_standard_format(lab: Laboratory) -> None:
    """Sessions are asked for with names that no package can have."""
    for name in ("-conformance-", "conform ance", "", "конформность"):
        answer = lab.request_session(lab.owner, name, lab.new_version())

        expect(answer.refused, f"{answer}, for the name {name!r}")


@case(_SECTION, MUST, "and the server MUST normalize the name")
def name_is_normalized(lab: Laboratory) -> None:
    """An open session is asked for again, with another spelling of the project's name."""
    session = lab.open()
    other = session.name.replace("-", "_").title()

    answer = lab.request_session(lab.owner, other, session.version)

    expect(normalized(other) == normalized(session.name), "the suite has a bug")
    expect(
        answer.status == 409, f"{answer}, for {other!r} while a session of {session.name!r} is open"
    )


@case(_SECTION, MUST, "The version string MUST conform to the packaging version specification")
def version_conforms(lab: Laboratory) -> None:
    """Sessions are asked for with versions that are none."""
    for version in ("one", "1.0-final-", "", "1..0"):
        answer = lab.request_session(lab.owner, lab.project, version)

        expect(answer.refused, f"{answer}, for the version {version!r}")


@case(
    _SECTION,
    MUST,
    "If a session is created for a project which has no previous release, then the index MUST "
    "reserve the project name when the session is created",
    needs=(Need.SECOND,),
)
def name_is_reserved(lab: Laboratory) -> None:
    """While a session of a new project is open, another account asks for its name."""
    session = lab.open(lab.new_name("reserved"))

    answer = lab.request_session(lab.second, session.name, lab.new_version())

    expect(answer.refused, f"{answer}, by another account, for a name that is reserved")


@case(
    _SECTION,
    MUST,
    'It MUST NOT be possible to navigate to the reserved project using the "regular"',
    needs=(Need.INDEX,),
)
def reserved_project_is_not_public(lab: Laboratory) -> None:
    """The public simple index does not know the project of a session that is open."""
    session = lab.open(lab.new_name("hidden"))
    session.upload(session.wheel()).completed()

    page = known(public_page(lab, session.name))

    expect(not page.ok, f"{page}, though nothing of the project is published")


@case(
    _SECTION,
    SHOULD,
    "If this first-release stage gets canceled, then the index SHOULD delete the project record",
    needs=(Need.SECOND,),
)
def canceled_first_release_frees_the_name(lab: Laboratory) -> None:
    """The session of a new project is canceled, and another account takes the name."""
    session = lab.open(lab.new_name("freed"))
    session.delete().arranged()

    answer = lab.request_session(lab.second, session.name, session.version)

    expect(answer.status == 201, f"{answer}, by another account, for a name that is free again")


@case(
    _SECTION,
    SHOULD,
    "SHOULD treat the creating principal (and, where applicable, an organization it acts on behalf "
    "of) as authorized for the lifetime of the session",
)
def creator_of_a_first_release_is_authorized(lab: Laboratory) -> None:
    """Whoever opened the session of a new project looks at it, and adds a file."""
    session = lab.open(lab.new_name("created"))

    for answer in (session.status(), session.announce(session.wheel())):
        expect(answer.ok, f"{answer}, by who opened the session")


@case(
    _MULTIPLE,
    MUST,
    "the server MUST respond with a 409 Conflict and MUST include a Location header that points to "
    "the session status URL",
    "then a new session is not created",
)
def second_creation_is_a_conflict(lab: Laboratory) -> None:
    """An open session is asked for again, by the same account."""
    scene = lab.scene(creation)

    expect(scene.again.status == 409, f"{scene.again}, while a session is open")
    location, url = scene.again.location, scene.session.link("session")
    expect(location == url, f"Location is {location!r}, the session is at {url!r}")


@case(
    _MULTIPLE,
    MUST,
    "a request from an unauthorized principal MUST receive a 403 Forbidden instead, which takes "
    "precedence over the 409 Conflict",
    "request MUST be performed by a principal authorized to upload to the project",
    needs=(Need.SECOND,),
)
def strangers_do_not_learn_of_the_session(lab: Laboratory) -> None:
    """An open session is asked for again by another account."""
    session = lab.scene(creation).session

    answer = lab.request_session(lab.second, session.name, session.version)

    expect(answer.status == 403, f"{answer}, by another account, while a session is open")
    expect("Location" not in answer.headers, "the 403 has a Location header")


@case(
    _MULTIPLE,
    MUST,
    "session-token, and links.stage values MUST be different",
    "frees the name-version pair so that a subsequent session may be created for it",
)
def later_session_is_another(lab: Laboratory) -> None:
    """After a session was canceled, one for the same name and version is asked for."""
    scene = lab.scene(cancellation)
    if scene.status.text("status") not in ("canceled", ""):
        raise NotArranged("the session was not canceled")
    before, after = scene.session.created, scene.anew

    expect(after.status == 201, f"{after}, after the session before was canceled")
    expect(
        before.mapping("links").get("session") != after.mapping("links").get("session"),
        "the new session has the status URL of the old one",
    )
    for key, old, new in (
        ("session-token", before.text("session-token"), after.text("session-token")),
        ("links.stage", before.mapping("links").get("stage"), after.mapping("links").get("stage")),
    ):
        expect(not old or old != new, f"the new session has the {key} of the old one")
