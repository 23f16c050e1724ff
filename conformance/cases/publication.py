"""Completing a publishing session, and what is guaranteed of it."""

from conformance.client import Answer
from conformance.laboratory import Laboratory
from conformance.register import MUST, STATED, Need, case
from conformance.scenes import addition, known, premature, publication
from conformance.verdicts import expect

_SECTION = "Complete a Publishing Session"
_PUBLISHES = (Need.PUBLISHING,)


@case(
    _SECTION,
    STATED,
    "it may do so and return a 201 Created response, moving the session to the terminal status "
    "published",
    "then it may return a 202 Accepted response and move the session to the processing state",
    needs=_PUBLISHES,
)
def publication_answers_201_or_202(lab: Laboratory) -> None:
    """A session with one completed file, and one that was deleted in error, is published."""
    answer = lab.scene(publication).publication

    expect(answer.status in (201, 202), f"{answer}")


@case(
    _SECTION,
    MUST,
    "The server MUST include a Location header in the response pointing back to the Publishing "
    "Session status",
    needs=_PUBLISHES,
)
def publication_has_a_location(lab: Laboratory) -> None:
    """The header of the answer to publication is compared with links.session."""
    scene = lab.scene(publication)
    location, url = scene.publication.location, scene.session.link("session")

    expect(location == url, f"Location is {location!r}, the session is at {url!r}")


@case(
    _SECTION,
    MUST,
    "the server MUST reject the publish request with a 409 Conflict error response",
    "Every file in the session MUST have finished uploading before the session can be published",
    needs=_PUBLISHES,
)
def pending_file_blocks_publication(lab: Laboratory) -> None:
    """A session is published while a file of it is pending."""
    answer = lab.scene(premature).with_pending

    expect(answer.status == 409, f"{answer}, while a file is pending")


@case(
    _SECTION,
    MUST,
    "which cannot be repaired in place and MUST be deleted",
    needs=_PUBLISHES,
)
def failed_file_blocks_publication(lab: Laboratory) -> None:
    """A session is published while a file of it is in error."""
    answer = lab.scene(premature).with_error

    expect(answer.status == 409, f"{answer}, while a file is in error")


@case(
    _SECTION,
    MUST,
    "identifying the offending file(s) and their current states",
    needs=_PUBLISHES,
)
def rejection_names_the_files(lab: Laboratory) -> None:
    """The rejections have the file's name and the word pending, or error, somewhere."""
    scene = lab.scene(premature)

    _expect_words(scene.with_pending, scene.filename, "pending")
    _expect_words(scene.with_error, scene.filename, "error")


@case(
    "Publishing Session States",
    STATED,
    "The session's files have been published and are publicly available",
    needs=(Need.PUBLISHING, Need.INDEX),
)
def published_files_are_public(lab: Laboratory) -> None:
    """The public simple index does not list the file before publication, and lists it after."""
    scene = lab.scene(publication)
    before, after = known(scene.hidden), known(scene.shown)

    expect(not before.ok, f"{before}, before publication")
    expect(after.ok and scene.file.filename.encode() in after.content, f"{after}, after it")


@case(
    "Multiple Session Creation Requests",
    STATED,
    "because the previous session for that pair has reached a terminal published or canceled state",
    "A publishing session MAY be created for a name and version that has already been published",
    needs=_PUBLISHES,
)
def published_release_takes_another_session(lab: Laboratory) -> None:
    """A session of a published release is created, with URL, token and stage of its own."""
    scene = lab.scene(addition)
    old, new = scene.first.created, scene.created

    expect(new.status == 201, f"{new}, of a published release")
    for key in ("session", "stage"):
        link = old.mapping("links").get(key)
        expect(
            link is None or link != new.mapping("links").get(key),
            f"the new session has the links.{key} of the old one",
        )
    token = old.text("session-token")
    expect(not token or token != new.text("session-token"), "it has the session-token of the old")


@case(
    "Create a File Upload Session",
    MUST,
    "if the filename in this request matches a file that has already been published for this "
    "release, the server MUST reject the request with a 409 Conflict",
    needs=_PUBLISHES,
)
def published_filename_is_a_conflict(lab: Laboratory) -> None:
    """A file with the name of a published one, and other bytes, is announced."""
    answer = lab.scene(addition).same_filename

    expect(answer.status == 409, f"{answer}, for the name of a published file")


@case(
    "Create a File Upload Session",
    MUST,
    "and MUST NOT overwrite the published file",
    "the index MUST guarantee that it never publishes two files with the same name",
    needs=(Need.PUBLISHING, Need.INDEX),
)
def published_file_is_not_overwritten(lab: Laboratory) -> None:
    """After a second publication the public page still has the first file, with its digest."""
    page = known(lab.scene(addition).shown)
    file = lab.scene(publication).file
    digest = file.hashes("sha256")["sha256"].encode()

    expect(file.filename.encode() in page.content, f"{file.filename} is gone from {page}")
    if b"sha256" in page.content:
        expect(digest in page.content, f"{file.filename} has another digest in {page}")


@case(
    "Create a File Upload Session",
    STATED,
    "for example to add wheels for additional platforms to an existing release",
    needs=_PUBLISHES,
)
def published_release_takes_another_file(lab: Laboratory) -> None:
    """A wheel for another platform is published into the release."""
    scene = lab.scene(addition)

    expect(scene.status.text("status") == "published", f"{scene.status.content[:200]!r}")


def _expect_words(answer: Answer, *words: str) -> None:
    for word in words:
        expect(word.encode() in answer.content, f"{word!r} is not in the body of {answer}")
