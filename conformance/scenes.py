"""Stories that are played once, and whose answers several cases look at."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin

from conformance.client import META, Answer
from conformance.distributions import Distribution, wheel
from conformance.laboratory import Laboratory, Session, Upload
from conformance.register import Need
from conformance.verdicts import NotApplicable, NotArranged

OTHER_TAG = "py3-none-win_amd64"
THIRD_TAG = "py3-none-macosx_11_0_arm64"


@dataclass(frozen=True)
class Creation:
    """A session that is only looked at, its status, and an attempt to create it once more."""

    session: Session
    status: Answer
    again: Answer


def creation(lab: Laboratory) -> Creation:
    """Open a session, look at it, and open it again."""
    session = lab.open()
    status = session.status()
    again = lab.request_session(lab.owner, session.name, session.version)
    return Creation(session, status, again)


@dataclass(frozen=True)
class Arrival:
    """A file on its way into a session that stays open, and all that was answered."""

    upload: Upload
    pending: Answer
    session_pending: Answer
    second_attempt: Answer
    sent: Answer
    after_bytes: Answer
    completion: Answer
    completed: Answer
    session_completed: Answer

    @property
    def session(self) -> Session:
        """The session it is in."""
        return self.upload.session


def arrival(lab: Laboratory) -> Arrival:
    """Announce a file, try to announce it once more, send it, complete it."""
    session = lab.open()
    file = session.wheel()
    upload = session.upload(file)
    return Arrival(
        upload=upload,
        pending=upload.status(),
        session_pending=session.status(),
        second_attempt=session.announce(file),
        sent=upload.send(),
        after_bytes=upload.status(),
        completion=upload.complete(),
        completed=upload.settled(),
        session_completed=session.status(),
    )


@dataclass(frozen=True)
class Failure:
    """An upload whose bytes are not those that were announced, and what became of it."""

    upload: Upload
    completion: Answer
    status: Answer
    session_status: Answer
    bytes_again: Answer
    completion_again: Answer
    status_again: Answer
    deletion: Answer
    status_deleted: Answer
    session_deleted: Answer


def failure(lab: Laboratory) -> Failure:
    """Send bytes with a wrong digest, complete, try to repair, delete."""
    session = lab.open()
    upload, completion = session.failed()
    return Failure(
        upload=upload,
        completion=completion,
        status=upload.settled(),
        session_status=session.status(),
        bytes_again=upload.send(),
        completion_again=upload.complete(),
        status_again=upload.settled(),
        deletion=upload.delete(),
        status_deleted=upload.status(),
        session_deleted=session.status(),
    )


@dataclass(frozen=True)
class Deletion:
    """A file that was deleted, what is left of its upload, and a new upload of the same name."""

    upload: Upload
    deletion: Answer
    status: Answer
    session_status: Answer
    bytes_again: Answer
    completion_again: Answer
    anew: Answer
    old_status: Answer


def deletion_of_pending(lab: Laboratory) -> Deletion:
    """Cancel an upload that is under way."""
    session = lab.open()
    return _delete(session.upload(session.wheel()))


def deletion_of_completed(lab: Laboratory) -> Deletion:
    """Delete a file that has arrived."""
    session = lab.open()
    upload = session.upload(session.wheel())
    upload.completed()
    return _delete(upload)


def _delete(upload: Upload) -> Deletion:
    return Deletion(
        upload=upload,
        deletion=upload.delete(),
        status=upload.status(),
        session_status=upload.session.status(),
        bytes_again=upload.send(),
        completion_again=upload.complete(),
        anew=upload.session.announce(upload.file),
        old_status=upload.status(),
    )


@dataclass(frozen=True)
class Cancellation:
    """A session that was canceled with files in it, what is left, and a new one after it."""

    session: Session
    deletion: Answer
    status: Answer
    file_statuses: Mapping[str, Answer]
    # What its action and data-bearing URLs answer, by what they are.
    remains: Mapping[str, Answer]
    anew: Answer


def cancellation(lab: Laboratory) -> Cancellation:
    """Cancel a session with a file that has arrived, one that failed and one under way."""
    session = lab.open()
    arrived = session.upload(session.wheel())
    arrived.completed()
    failed, _ = session.failed(OTHER_TAG)
    under_way = session.upload(session.wheel(THIRD_TAG))
    uploads = {"completed": arrived, "error": failed, "pending": under_way}
    before = session.status()
    deletion = session.delete()
    return Cancellation(
        session=session,
        deletion=deletion,
        status=session.status(),
        file_statuses={state: upload.status() for state, upload in uploads.items()},
        remains=_remains(session, under_way, before),
        anew=lab.request_session(lab.owner, session.name, session.version),
    )


def _remains(session: Session, upload: Upload, before: Answer) -> dict[str, Answer]:
    lab = session.laboratory
    remains = {
        "links.upload": session.announce(session.sdist()),
        "file_url": upload.send(),
        "links.complete": upload.complete(),
    }
    if lab.choices.publishing:
        remains["links.publish"] = session.publish()
    if session.has_link("extend"):
        remains["links.extend"] = session.extend(60)
    if session.has_link("stage"):
        stage = session.link("stage").rstrip("/")
        remains["links.stage"] = lab.nobody.get(f"{stage}/{session.name}/")
        remains["the file URL"] = lab.nobody.get(file_url(lab, before, session.wheel().filename))
    return remains


@dataclass(frozen=True)
class Premature:
    """Attempts to publish a session with a file that is not completed; it was canceled then."""

    with_pending: Answer
    status_pending: Answer
    with_error: Answer
    status_error: Answer
    filename: str


def premature(lab: Laboratory) -> Premature:
    """Try to publish with a file that is under way, then with one that has failed."""
    session = lab.open()
    upload = session.upload(session.wheel())
    with_pending, status_pending = session.publish(), session.status()
    upload.delete().arranged()
    failed, _ = session.failed()
    with_error, status_error = session.publish(), session.status()
    return Premature(with_pending, status_pending, with_error, status_error, failed.file.filename)


@dataclass(frozen=True)
class Publication:
    """A release that was published, and what its session answers to then."""

    session: Session
    file: Distribution
    hidden: Answer | None
    publication: Answer
    status: Answer
    shown: Answer | None
    deletion: Answer
    upload: Answer
    status_after: Answer


def publication(lab: Laboratory) -> Publication:
    """Publish a wheel, after one file was deleted, and try to change the session then."""
    session = lab.open(lab.new_name("published"), "1.0")
    failed, _ = session.failed(OTHER_TAG)
    failed.delete().arranged()
    upload = session.upload(session.wheel())
    upload.completed()
    hidden = public_page(lab, session.name)
    answer = session.published()
    return Publication(
        session=session,
        file=upload.file,
        hidden=hidden,
        publication=answer,
        status=session.status(),
        shown=public_page(lab, session.name),
        deletion=session.delete(),
        upload=session.announce(session.wheel(THIRD_TAG)),
        status_after=session.status(),
    )


@dataclass(frozen=True)
class Addition:
    """A second session of a release that is published."""

    first: Session
    created: Answer
    same_filename: Answer
    publication: Answer
    status: Answer
    shown: Answer | None


def addition(lab: Laboratory) -> Addition:
    """Open a session of the published release, announce its file, and add another one."""
    first = lab.scene(publication).session
    created = lab.request_session(lab.owner, first.name, first.version).arranged()
    session = Session(lab, first.name, first.version, created)
    other = wheel(first.name, first.version, "py2-none-any")
    same = session.announce(Distribution(lab.scene(publication).file.filename, other.content))
    if same.ok:
        lab.owner.api("DELETE", lab.link(same, "file-upload-session"))
    session.upload(session.wheel(OTHER_TAG)).completed()
    answer = session.published(once_more=True)
    return Addition(
        first=first,
        created=created,
        same_filename=same,
        publication=answer,
        status=session.status(),
        shown=public_page(lab, session.name),
    )


@dataclass(frozen=True)
class Deferral:
    """What was answered while a publication was being decided."""

    status: Answer
    deletion: Answer
    same_filename: Answer
    again: Answer
    hidden: Answer | None


def deferral(lab: Laboratory) -> Deferral:
    """Ask for publication, and try to interfere while it is being decided."""
    session = lab.open(lab.new_name("deferred"), "1.0")
    upload = session.upload(session.wheel())
    upload.completed()
    answer = session.publish().arranged()
    if answer.status != 202:
        raise NotApplicable("the index publishes at once")
    status = session.status()
    deletion = session.delete()
    same_filename = session.announce(upload.file)
    again = lab.request_session(lab.owner, session.name, session.version)
    hidden = public_page(lab, session.name)
    if session.status().text("status") != "processing":
        raise NotApplicable("the publication was decided before it could be interfered with")
    session.settled()
    return Deferral(status, deletion, same_filename, again, hidden)


@dataclass(frozen=True)
class Refusal:
    """A session whose publication was refused after a while, and what can be done with it then."""

    session: Session
    outcome: Answer
    again: Answer
    with_file: Answer
    without_file: Answer
    retry: Answer
    retried: Answer
    deletion: Answer
    canceled: Answer


def refusal(lab: Laboratory) -> Refusal:
    """Let a publication be refused, change the session, try again, cancel."""
    session = lab.open(lab.new_name("refused"), lab.refused_version)
    session.upload(session.wheel()).completed()
    answer = session.publish().arranged()
    if answer.status != 202:
        raise NotApplicable("the index publishes at once")
    outcome = session.settled()
    again = lab.request_session(lab.owner, session.name, session.version)
    upload = session.upload(session.wheel(OTHER_TAG))
    upload.completed()
    with_file = session.status()
    upload.delete().arranged()
    without_file = session.status()
    retry, retried = session.publish(), session.settled()
    return Refusal(
        session=session,
        outcome=outcome,
        again=again,
        with_file=with_file,
        without_file=without_file,
        retry=retry,
        retried=retried,
        deletion=session.delete(),
        canceled=session.status(),
    )


@dataclass(frozen=True)
class Strangers:
    """What each endpoint answers to one client, by what it is; and how things stand after that."""

    answers: Mapping[str, Answer]
    session_before: Answer
    session_after: Answer


def anonymous_requests(lab: Laboratory) -> Strangers:
    """Ask every endpoint without credentials."""
    return _stranger(lab, second=False)


def unauthorized_requests(lab: Laboratory) -> Strangers:
    """Ask every endpoint as another account, which has no right to the project."""
    return _stranger(lab, second=True)


def _stranger(lab: Laboratory, *, second: bool) -> Strangers:
    client = lab.second if second else lab.nobody
    session = lab.open()
    upload = session.upload(session.wheel())
    before = session.status()
    empty, more = {"meta": META}, {"meta": META, "extend-for": 60}
    answers = {
        "GET links.session": session.status(client),
        "POST links.upload": session.announce(session.sdist(), client),
        "GET links.file-upload-session": client.api("GET", upload.link("file-upload-session")),
        "POST file_url": client.post_bytes(upload.file_url, upload.file.content),
        "POST links.complete": client.api("POST", upload.link("complete"), empty),
    }
    if "extend" in upload.created.mapping("links"):
        answers["POST links.extend of a file"] = client.api("POST", upload.link("extend"), more)
    if session.has_link("extend"):
        answers["POST links.extend"] = client.api("POST", session.link("extend"), more)
    if lab.choices.publishing:
        answers["POST links.publish"] = session.publish(client)
    answers["DELETE links.file-upload-session"] = client.api(
        "DELETE", upload.link("file-upload-session")
    )
    answers["DELETE links.session"] = client.api("DELETE", session.link("session"))
    return Strangers(answers, before, session.status())


def public_page(lab: Laboratory, name: str) -> Answer | None:
    """The project on the index's public simple index, if that is known."""
    if lab.choices.index is None:
        return None
    return lab.nobody.get(f"{lab.choices.index.rstrip('/')}/{name}/")


def known(answer: Answer | None) -> Answer:
    """The page of the public simple index.

    Raises:
        NotApplicable: nobody said where that is.
    """
    if answer is None:
        raise NotApplicable(f"needs {Need.INDEX}")
    return answer


def file_url(lab: Laboratory, answer: Answer, filename: str) -> str:
    """A file's link in a session body, to be asked.

    Raises:
        NotArranged: there is none.
    """
    link = entry(answer, filename).get("link")
    if not isinstance(link, str):
        raise NotArranged(f"{answer} has no link for {filename}")
    return urljoin(lab.choices.root, link)


def entry(answer: Answer, filename: str) -> dict[str, object]:
    """A file's entry in a session body.

    Raises:
        NotArranged: there is none.
    """
    found = answer.mapping("files").get(filename)
    if not isinstance(found, dict):
        raise NotArranged(f"{answer} does not list {filename}")
    return found
