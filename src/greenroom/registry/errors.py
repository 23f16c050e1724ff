"""Why something is refused: one hierarchy, rendered by every entry point in its own way.

``str()`` of a refusal is one sentence that tells a maintainer what to do; ``code`` is stable and
meant for programs; ``details`` lists further reasons where there is more than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from greenroom.models import Draft


class Refusal(Exception):
    """The index does not do what was asked, and nothing has changed."""

    code: ClassVar[str] = "refused"
    title: ClassVar[str] = "Refused"

    def __init__(self, sentence: str, details: Sequence[str] = ()) -> None:
        super().__init__(sentence)
        self.details = tuple(details) or (sentence,)


class NotAuthenticated(Refusal):
    """There are no credentials, or they are not (or no longer) valid."""

    code = "not-authenticated"
    title = "Authentication failed"


class InvalidIDToken(Refusal):
    """An ID token is not one of an issuer that is trusted, for this index, valid now, and new."""

    code = "invalid-token"
    title = "Invalid ID token"


class UnknownPublisher(Refusal):
    """An ID token is good, and nobody trusts the workflow that it is of."""

    code = "invalid-publisher"
    title = "Unknown publisher"


class SecondFactorNeeded(NotAuthenticated):
    """The password is right, and the person has a second factor, which has not been shown."""

    code = "second-factor-needed"
    title = "Second factor needed"


class NotAllowed(Refusal):
    """The actor is known, and may not do this.

    Attributes:
        may_stage: whether the actor may do it in a draft.
    """

    code = "not-allowed"
    title = "Not allowed"

    def __init__(
        self, sentence: str, details: Sequence[str] = (), *, may_stage: bool = False
    ) -> None:
        super().__init__(sentence, details)
        self.may_stage = may_stage


class AccountDisabled(NotAllowed):
    """The account that acts is disabled, or was deleted meanwhile."""

    code = "account-disabled"
    title = "Account disabled"

    def __init__(self, username: str) -> None:
        super().__init__(
            f"The account {username!r} is disabled, and nothing can be done with it. Ask an "
            "administrator of this index."
        )


class NotConfirmed(NotAllowed):
    """Whoever acts may do this once they have shown again who they are."""

    code = "not-confirmed"
    title = "Confirm who you are"


class PersonPublishes(NotAllowed):
    """In this project a person publishes, and nothing that acts in their stead."""

    code = "person-publishes"
    title = "A person publishes"


class FactorNotFresh(NotConfirmed):
    """Whoever acts may do this once they have shown a second factor, within a few minutes.

    Attributes:
        has_factor: whether they have one to show.
    """

    code = "second-factor-not-fresh"
    title = "Show a second factor"

    def __init__(self, sentence: str, *, has_factor: bool) -> None:
        super().__init__(sentence)
        self.has_factor = has_factor


class NotFound(Refusal):
    """There is no such thing, or the actor may not know of it."""

    code = "not-found"
    title = "Not found"


class Ended(Refusal):
    """The draft was here and has ended."""

    code = "draft-ended"
    title = "Draft ended"


class InvalidRequest(Refusal):
    """The request's values do not make sense."""

    code = "invalid-request"
    title = "Invalid request"


class InvalidMetadata(InvalidRequest):
    """Name, version or another declared field does not follow the specifications."""

    code = "invalid-metadata"
    title = "Invalid metadata"


class InvalidFile(Refusal):
    """The distribution itself is not acceptable."""

    code = "invalid-distribution"
    title = "Invalid distribution file"


class WrongDigest(Refusal):
    """The bytes that arrived are not those that were announced."""

    code = "wrong-digest"
    title = "Digest mismatch"


class NameNotAvailable(Refusal):
    """The project name cannot be registered."""

    code = "name-not-available"
    title = "Project name not available"


class FileExists(Refusal):
    """The file name, or the very content, is published.

    This and :class:`FileReserved` are the only refusals that say "already".
    """

    code = "file-exists"
    title = "File already exists"


class DraftIsOpen(Refusal):
    """A draft of this version is open, and the upload does not say that it knows.

    Attributes:
        project_name: whose draft it is, as the project spells itself.
        version: what it is a draft of.
        fact: the sentence without what to do.
    """

    code = "draft-open"
    title = "A draft is open"

    def __init__(self, project_name: str, version: str) -> None:
        self.project_name = project_name
        self.version = version
        self.fact = (
            f"A draft of {project_name} {version} is open, and this upload does not say that it "
            "belongs to it."
        )
        super().__init__(
            f"{self.fact} Add the file to the draft, or publish or discard the draft first."
        )


class DraftsOnly(Refusal):
    """The project, or the whole index, publishes through drafts only.

    Attributes:
        fact: why, as a sentence without what to do.
        then: what to do with the draft.
    """

    code = "drafts-only"
    title = "Drafts only"

    def __init__(self, fact: str, then: str = "publish the draft") -> None:
        self.fact = fact
        self.then = then
        super().__init__(f"{fact} Upload this file as a draft, then {then}.")


class ProjectClosed(Refusal):
    """The project is archived or in quarantine, and takes nothing."""

    code = "project-closed"
    title = "Project closed"


class ReleaseClosed(Refusal):
    """The release takes no more files."""

    code = "release-closed"
    title = "Release closed"


class SecondSdist(Refusal):
    """A release has one source distribution at most."""

    code = "second-sdist"
    title = "Second source distribution"


class TooLarge(Refusal):
    """The file, or the project with it, is larger than this index takes."""

    code = "too-large"
    title = "Too large"


class OutOfSpace(Refusal):
    """The index has no room for more, whoever asks."""

    code = "out-of-space"
    title = "Out of space"


class DraftExists(Refusal):
    """A draft of this version is open; ``draft`` is it. Only those who may see it are told."""

    code = "session-exists"
    title = "Session exists"

    def __init__(self, sentence: str, draft: Draft) -> None:
        super().__init__(sentence)
        self.draft = draft


class BeingReviewed(Refusal):
    """Publication of the draft is being decided, and it takes no changes meanwhile."""

    code = "being-reviewed"
    title = "Being reviewed"


class FileReserved(BeingReviewed):
    """A file of this name is in a draft that is being decided on: it is as good as public."""

    code = "file-reserved"
    title = "File name reserved"


class UnknownMechanism(Refusal):
    """A file is to come in a way that the index does not offer."""

    code = "unknown-mechanism"
    title = "Unknown upload mechanism"


class UploadConflict(Refusal):
    """The upload of a file does not stand where this could be done to it."""

    code = "upload-conflict"
    title = "Upload conflict"


class WrongOffset(UploadConflict):
    """The bytes do not go on where the last ones ended; ``received`` is how many there are."""

    code = "wrong-offset"
    title = "Wrong offset"

    def __init__(self, sentence: str, received: int) -> None:
        super().__init__(sentence)
        self.received = received


class CannotPublish(Refusal):
    """A draft is not fit to be published; ``details`` has every reason."""

    code = "cannot-publish"
    title = "The draft cannot be published"


class ApprovalsMissing(Refusal):
    """Fewer people have approved of a draft than its project wants."""

    code = "approvals-missing"
    title = "Approvals are missing"


class SetConflict(Refusal):
    """The release set does not stand where this could be done to it, or with it."""

    code = "set-conflict"
    title = "Release set conflict"


class DraftChanged(Refusal):
    """The draft is not any more what the publisher has looked at.

    Its details are what is wrong, and then what was added, replaced and removed since, a sentence
    for each file.
    """

    code = "draft-changed"
    title = "The draft has changed"

    def __init__(self, sentence: str, changes: Sequence[str]) -> None:
        super().__init__(" ".join([sentence, *changes]), [sentence, *changes])


class TooMany(Refusal):
    """A rate limit; ``retry_after`` says how long to wait."""

    code = "too-many-requests"
    title = "Too many requests"

    def __init__(self, sentence: str, retry_after: timedelta) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after
