"""Which acts people are told of by mail: whom, and in which words. One row for each.

The audit log notes what may have to be told as a job of the same transaction. Who is told, and
whether, is decided by :mod:`greenroom.registry.mail` when the job is done. Acts stand here by their
names in the log, which knows this module.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import cast
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Table, insert

from greenroom import times
from greenroom.database import run
from greenroom.models import Job, LinkKind
from greenroom.models.base import JSONObject
from greenroom.registry.unit_of_work import UnitOfWork

JOB = "notify"
"""The kind of job that tells people of an act."""


class Category(StrEnum):
    """What people can switch off, each with what it is about; security nobody can."""

    about: str

    def __new__(cls, value: str, about: str) -> "Category":
        """A category, by its name."""
        made = str.__new__(cls, value)
        made._value_ = value
        made.about = about
        return made

    SECURITY = (
        "security",
        "Your account: sign-ins from new browsers or places, password, second factors, API tokens",
    )
    ROLES = (
        "roles",
        "You were invited to a project or a team, or given a role, or lost one",
    )
    RELEASES = "releases", "Somebody else published a release of a project of yours"
    DRAFTS = "drafts", "Somebody else staged or removed files in a draft of a project of yours"
    COMMENTS = "comments", "Somebody else commented on a draft of a project of yours"
    EXPIRY = "expiry", "A draft of a project of yours is about to expire"


CHOICES = tuple(category for category in Category if category is not Category.SECURITY)
"""What can be switched off."""


class Whom(StrEnum):
    """Who is told of an act."""

    ACCOUNT = "account"  # whose account it was done to
    OTHER_ACCOUNT = "other account"  # the same, unless they did it
    INVITED = "invited"  # the address that was invited, which has no account
    DOER = "doer"  # whose account did it
    PEOPLE = "people"  # who has a role in the project
    OTHERS = "others"  # the same, but who did it
    PEOPLE_OF_SET = "people of a set"  # who has a role in a project of a set
    OTHERS_OF_SET = "others of a set"  # the same, but who did it
    OWNERS = "owners"  # who owns the project, or the account it names; else administrators


class To(StrEnum):
    """Where a message goes."""

    VERIFIED = "verified"  # the address of the account, which somebody has vouched for
    UNVERIFIED = "unverified"  # the address of the account, before it is
    WAITING = "waiting"  # the address that it is to become, or else the same
    FORMER = "former"  # the address that it was before the last change


class Place(StrEnum):
    """What a message leads to."""

    ACTIVITY = "activity"  # what was done with an account
    TOKENS = "tokens"
    INVITATIONS = "invitations"
    TEAMS = "teams"
    PROJECT = "project"
    RELEASE = "release"
    DRAFT = "draft"
    SETS = "sets"
    WEBHOOKS = "webhooks"
    LINK = "link"  # a one-time link, which is made when the message is sent


MOST_PER_HOUR = 10


class Notice(Struct, frozen=True):
    """How people are told of an act.

    ``subject`` and ``says`` may have the names of an event's facts in braces.

    Attributes:
        category: with what it can be switched off.
        whom: who is told.
        subject: of the message.
        says: what has happened, in a sentence or two.
        place: what the message leads to.
        after: how long to wait first, so that what follows at once is told as well.
        once_a_day: whether the same of the same thing is told once a day.
        to: where it goes.
        link: what the one-time link is good for that it has.
        most: so many of them within an hour; what is more is counted in one that comes later,
            unless it has a link.
        is_shown: whether somebody else was shown a link that says the same, which goes on.
    """

    category: Category
    whom: Whom
    subject: str
    says: str
    place: Place
    after: timedelta = timedelta(0)
    once_a_day: bool = False
    to: To = To.VERIFIED
    link: LinkKind | None = None
    most: int = MOST_PER_HOUR
    is_shown: bool = False


def _security(subject: str, says: str, place: Place = Place.ACTIVITY) -> Notice:
    return Notice(Category.SECURITY, Whom.ACCOUNT, subject, says, place)


def _with_link(kind: LinkKind, subject: str, says: str, to: To) -> Notice:
    return Notice(
        *(Category.SECURITY, Whom.ACCOUNT, subject, says, Place.LINK), to=to, link=kind, most=3
    )


_VERIFY = _with_link(
    LinkKind.EMAIL_VERIFICATION,
    "Verify the address of your account {about}",
    "This address was given for the account {about}. If that was you, verify it with the link "
    "below within a day. If it was not, there is nothing to do.",
    To.WAITING,
)
SIGN_IN = "sign-in"
EXPIRING = "draft-expiring"
"""No act: a draft is about to expire."""
STAGING = frozenset({"draft-open", "draft-stage", "draft-replace", "draft-remove"})
"""What changes the files of a draft, and is told once for all that somebody does in a row."""
RUN_PAUSE = timedelta(minutes=30)
"""What somebody does to a draft after so long is told again."""

_STAGED = Notice(
    Category.DRAFTS,
    Whom.OTHERS,
    "{by} changed the draft of {project} {version}",
    "{by} changed the draft of {project} {version}: {detail}. Look at what it has before it is "
    "published; there may be more by now.",
    Place.DRAFT,
    after=timedelta(minutes=1),
)

_INVITED = Notice(
    Category.ROLES,
    Whom.OTHER_ACCOUNT,
    "You are invited to {project}",
    "You are invited to the project {project}: {detail}. Accept or decline.",
    Place.INVITATIONS,
)

_TEAM_ROLE = Notice(
    Category.ROLES,
    Whom.OTHERS,
    "Another part of a team in {project}",
    "{by} changed what a team is in the project {project}: {detail}.",
    Place.PROJECT,
)

NOTICES: Mapping[str, Notice] = MappingProxyType(
    {
        "user-create": replace(_VERIFY, to=To.UNVERIFIED),
        "email-ask": _VERIFY,
        "email-change": replace(
            _security(
                "The address of your account {about} was changed",
                "The e-mail address of your account {about} was changed, and this one can do "
                "nothing with it any more. If that was not you, tell an administrator of this "
                "index at once.",
            ),
            to=To.FORMER,
        ),
        "password-forgotten": _with_link(
            LinkKind.PASSWORD_RESET,
            "Set another password for your account {about}",
            "Somebody asked for another password for your account {about}. Set it with the link "
            "below within a day. If that was not you, there is nothing to do: the password stays "
            "as it is.",
            To.VERIFIED,
        ),
        SIGN_IN: _security(
            "New sign-in to your account {about}",
            "Somebody signed in to your account {about} in a browser, or from a place, that you "
            "have not signed in with before.",
        ),
        "password-change": _security(
            "The password of your account {about} was changed",
            "The password of your account {about} was changed.",
        ),
        "user-invite": Notice(
            *(Category.SECURITY, Whom.INVITED, "You are invited"),
            "{by} invites you to this package index. Make your account with the link below within "
            "a week.",
            Place.LINK,
            link=LinkKind.INVITATION,
            is_shown=True,
        ),
        "password-link": replace(
            _with_link(
                LinkKind.PASSWORD_RESET,
                "Set another password for your account {about}",
                "{by} made a link with which another password can be set for your account "
                "{about}. Set it with the link below within a day.",
                To.VERIFIED,
            ),
            is_shown=True,
        ),
        "password-reset": _security(
            "The password of your account {about} was set with a link",
            "Another password was set for your account {about}, {detail}.",
        ),
        "administrator-give": _security(
            "Your account {about} is an administrator's now",
            "{by} made your account {about} one of an administrator of this index.",
        ),
        "administrator-take": _security(
            "Your account {about} is no administrator's any more",
            "{by} took the powers of an administrator from your account {about}.",
        ),
        "token-create": _security(
            "A new API token for your account {about}",
            "An API token was made for your account {about}: {detail}.",
            Place.TOKENS,
        ),
        "token-revoke": Notice(
            Category.SECURITY,
            Whom.OTHER_ACCOUNT,
            "An API token of yours was revoked",
            "{by} revoked an API token of your account {about}: {detail}.",
            Place.TOKENS,
        ),
        "token-revoke-all": _security(
            "All API tokens of your account {about} were revoked",
            "All API tokens of your account {about} were revoked: {detail}.",
            Place.TOKENS,
        ),
        "token-reported": _security(
            "An API token of yours was found and revoked",
            "Somebody has found an API token of your account {about}, and it was revoked: "
            "{detail}. Take it out of where it was, and make another one where it is needed.",
            Place.TOKENS,
        ),
        "token-cut-off": Notice(
            Category.SECURITY,
            Whom.OTHER_ACCOUNT,
            "An API token of yours reaches a project no more",
            "{by} cut an API token of your account {about} off from the project {project}: "
            "{detail}.",
            Place.TOKENS,
        ),
        "pending-publisher-add": _security(
            "A workflow may register a project for your account {about}",
            "A workflow may register a project for your account {about}: {detail}.",
        ),
        "identity-link": _security(
            "Single sign-on opens your account {about}",
            "Your account {about} was linked to an identity of {detail}, which opens it from now "
            "on.",
        ),
        "identity-unlink": _security(
            "Single sign-on does not open your account {about} any more",
            "Your account {about} was unlinked from single sign-on.",
        ),
        "session-end": Notice(
            Category.SECURITY,
            Whom.OTHER_ACCOUNT,
            "Sessions of your account {about} were ended",
            "{by} ended sessions of your account {about}: {detail}.",
            Place.ACTIVITY,
        ),
        "user-enable": _security(
            "Your account {about} can be used again",
            "{by} enabled your account {about}. Its API tokens and sessions stay ended.",
        ),
        "second-factor-add": _security(
            "A second factor was added to your account {about}",
            "A second factor was added to your account {about}: {detail}.",
        ),
        "second-factor-remove": _security(
            "A second factor was removed from your account {about}",
            "A second factor was removed from your account {about}: {detail}.",
        ),
        "second-factor-reset": _security(
            "The second factors of your account {about} are gone",
            "{by} took all second factors of your account {about} away, and ended its sessions: "
            "{detail}",
        ),
        "recovery-codes": _security(
            "Your account {about} has other recovery codes",
            "Other recovery codes were made for your account {about}; those before are worth "
            "nothing.",
        ),
        "token-new-address": Notice(
            Category.SECURITY,
            Whom.DOER,
            "An API token of yours was used from a new place",
            "The API token {detail} of your account {by} was used from an address that is new for "
            "it. Of further ones of this token you are not told before tomorrow: the log of your "
            "account has them all.",
            Place.TOKENS,
            once_a_day=True,
        ),
        "role-give": Notice(
            Category.ROLES,
            Whom.OTHER_ACCOUNT,
            "You have a role in {project}: {detail}",
            "{by} gave you the role {detail} in the project {project}.",
            Place.PROJECT,
        ),
        "role-take": Notice(
            Category.ROLES,
            Whom.OTHER_ACCOUNT,
            "You have no role in {project} any more",
            "{by} took your role in the project {project} away.",
            Place.ACTIVITY,
        ),
        "role-accept": Notice(
            Category.ROLES,
            Whom.OTHERS,
            "{by} accepted a role in {project}",
            "{by} accepted a role in the project {project}: {detail}.",
            Place.PROJECT,
        ),
        "team-role-give": _TEAM_ROLE,
        "team-role-take": _TEAM_ROLE,
        "project-hand-over": Notice(
            Category.ROLES,
            Whom.OTHER_ACCOUNT,
            "{project} is handed over",
            "{by} accepted the project {project}: {detail}.",
            Place.ACTIVITY,
        ),
        "project-transfer": Notice(
            Category.ROLES,
            Whom.OTHER_ACCOUNT,
            "{project} is yours",
            "{by} made you the owner of the project {project}.",
            Place.PROJECT,
        ),
        "role-invite": _INVITED,
        "project-offer": Notice(
            Category.ROLES,
            Whom.OTHER_ACCOUNT,
            "{project} is offered to you",
            "{by} wants to hand the project {project} over to you. Accept or decline.",
            Place.INVITATIONS,
        ),
        "team-invite": Notice(
            Category.ROLES,
            Whom.OTHER_ACCOUNT,
            "You are invited to a team",
            "You are invited to the {detail}. Accept or decline.",
            Place.INVITATIONS,
        ),
        "team-add": Notice(
            Category.ROLES,
            Whom.OTHER_ACCOUNT,
            "You are in a team",
            "{by} put you into the {detail}.",
            Place.TEAMS,
        ),
        "team-remove": Notice(
            Category.ROLES,
            Whom.OTHER_ACCOUNT,
            "You are in a team no more",
            "{by} took you out of the {detail}.",
            Place.TEAMS,
        ),
        "publisher-add": Notice(
            Category.SECURITY,
            Whom.OTHERS,
            "{project} trusts another workflow",
            "{by} let a workflow publish {project}: {detail}.",
            Place.PROJECT,
        ),
        "project-unprotect": Notice(
            Category.SECURITY,
            Whom.OWNERS,
            "{project} is protected less",
            "{by} changed what it takes to publish {project}, to less than it did: {detail}. If "
            "that was not to be, change it back, and look at what was published since.",
            Place.PROJECT,
        ),
        "draft-approve": Notice(
            Category.DRAFTS,
            Whom.OTHERS,
            "{by} approved of {project} {version}",
            "{by} approved of what is in the draft of {project} {version}: {detail}.",
            Place.DRAFT,
        ),
        "set-go": Notice(
            Category.DRAFTS,
            Whom.OTHERS,
            "{by} said go for {project} {version}",
            "{by} lets the draft of {project} {version} be published with its release set: "
            "{detail}.",
            Place.DRAFT,
        ),
        "draft-schedule": Notice(
            Category.DRAFTS,
            Whom.OTHERS,
            "{project} {version} is to be published by itself",
            "{by} set when {project} {version} is to be published: {detail}.",
            Place.DRAFT,
        ),
        "draft-unschedule": Notice(
            Category.DRAFTS,
            Whom.OTHERS,
            "{project} {version} is not published by itself",
            "{by} took back when {project} {version} was to be published: {detail}.",
            Place.DRAFT,
        ),
        "draft-miss": Notice(
            Category.RELEASES,
            Whom.PEOPLE,
            "{project} {version} was not published",
            "{project} {version} was not published at the time that was set: {detail} Set another "
            "one, or publish it by hand.",
            Place.DRAFT,
        ),
        "set-schedule": Notice(
            Category.DRAFTS,
            Whom.OTHERS_OF_SET,
            "A release set is to be published by itself",
            "{by} set when a release set with drafts of a project of yours is to be published: "
            "{detail}.",
            Place.SETS,
        ),
        "set-unschedule": Notice(
            Category.DRAFTS,
            Whom.OTHERS_OF_SET,
            "A release set is not published by itself",
            "{by} took back when a release set with drafts of a project of yours was to be "
            "published: {detail}.",
            Place.SETS,
        ),
        "set-miss": Notice(
            Category.RELEASES,
            Whom.PEOPLE_OF_SET,
            "A release set was not published",
            "A release set with drafts of a project of yours was not published at the time that "
            "was set: {detail} Set another one, or publish it by hand.",
            Place.SETS,
        ),
        "webhook-disable": Notice(
            Category.RELEASES,
            Whom.OWNERS,
            "A webhook was switched off",
            "This index switched a webhook off that takes nothing. {detail} Look at what it "
            "answered, and switch it on again once it works.",
            Place.WEBHOOKS,
        ),
        "draft-publish": Notice(
            Category.RELEASES,
            Whom.OTHERS,
            "{project} {version} is published",
            "{by} published {project} {version}.",
            Place.RELEASE,
        ),
        "set-publish": Notice(
            Category.RELEASES,
            Whom.OTHERS_OF_SET,
            "A release set is published",
            "{by} published a release set with drafts of a project of yours: {detail}.",
            Place.SETS,
        ),
        "file-upload": Notice(
            Category.RELEASES,
            Whom.OTHERS,
            "{project} {version} is published",
            "{by} published {project} {version}.",
            Place.RELEASE,
        ),
        "draft-open": _STAGED,
        "draft-stage": _STAGED,
        "draft-replace": _STAGED,
        "draft-remove": _STAGED,
        "comment-add": Notice(
            Category.COMMENTS,
            Whom.OTHERS,
            "{by} commented on the draft of {project} {version}",
            "{by} commented on the draft of {project} {version}.",
            Place.DRAFT,
        ),
        EXPIRING: Notice(
            Category.EXPIRY,
            Whom.PEOPLE,
            "The draft of {project} {version} expires soon",
            "The draft of {project} {version} expires at {detail}, and its files with it. Publish "
            "it, or let it live longer.",
            Place.DRAFT,
        ),
    }
)


def note(uow: UnitOfWork, act: str, line: Mapping[str, object]) -> None:
    """Write down that people may have to be told of an act, where mail is sent and anybody is.

    Args:
        uow: in which the act is done.
        act: by its name in the audit log.
        line: what the audit log says of it.
    """
    notice = NOTICES.get(act)
    if notice is None or uow.settings.mail_url is None:
        return
    payload: JSONObject = {
        name: times.microseconds(value) if isinstance(value, datetime) else value
        for name, value in line.items()
        if value is not None
    }
    run(
        uow.db,
        _ENQUEUE,
        {
            "kind": JOB,
            "payload": {**payload, "act": act, "event": uuid4().hex},
            "state": "waiting",
            "created": uow.now,
            "due": uow.now + notice.after,
            "attempts": 0,
            "error": "",
        },
    )


_ENQUEUE = insert(cast("Table", Job.__table__)).inline()
