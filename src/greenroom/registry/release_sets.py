"""Release sets: make, find, look at, change, discard. Several drafts that become public together.

A set belongs to an account, and its name is its own among those of that account that are open. The
people of a set are those who may see one of its drafts, and those of the projects that it invites.
What publishes one is in :mod:`greenroom.registry.publishing`.

Whatever puts a draft into a set, or publishes one, takes the lock of its name first, and then those
of the projects in the order of their names.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType

from msgspec import Struct
from packaging.utils import canonicalize_name
from packaging.version import Version
from sqlalchemy import ColumnElement, Select, delete, exists, func, or_, select
from sqlalchemy.orm import Session, contains_eager, lazyload, selectinload

from greenroom.counts import counted
from greenroom.models import (
    Draft,
    DraftState,
    File,
    Project,
    ReleaseSet,
    ReleaseSetEvent,
    ReleaseSetInvitation,
    ReleaseSetMember,
    ReviewState,
    Role,
    ScheduleState,
    SetState,
    User,
)
from greenroom.registry import (
    audit,
    draft_contents,
    draft_log,
    drafts,
    live_drafts,
    projects,
    schedule_rows,
    set_members,
    webhook_events,
)
from greenroom.registry.audit import Kind
from greenroom.registry.errors import (
    BeingReviewed,
    Ended,
    InvalidRequest,
    NotAllowed,
    NotFound,
    SetConflict,
)
from greenroom.registry.names import check_project_name, is_username
from greenroom.registry.permissions import (
    EXPIRY,
    Act,
    Actor,
    Person,
    may,
    permitted,
    require,
    require_reason,
)
from greenroom.registry.random_text import may_be_random_text, random_text
from greenroom.registry.set_members import SLUG_LENGTH, title
from greenroom.registry.unit_of_work import UnitOfWork

KEY_LENGTH = 22
MOST_DRAFTS = 200
MOST_SETS = 200
MOST_INVITED = 200
_MOST_CANDIDATES = 100
LONGEST_NAME = 60
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,58}[a-z0-9])?", re.IGNORECASE | re.ASCII)


class Reference(Struct, frozen=True):
    """A set, as people name it: by its name, or by whose it is and its name.

    Attributes:
        name: in any letter case.
        owner: the account that it belongs to, None where it is the one of whoever asks.
    """

    name: str
    owner: str | None = None

    def is_of(self, release_set: ReleaseSet) -> bool:
        """Whether it names this set, as far as it says."""
        same_owner = self.owner is None or self.owner.lower() == release_set.owner_name.lower()
        return same_owner and self.name.lower() == release_set.normalized_name


class SetMember(Struct, frozen=True):
    """A draft of a set, as it stands at the moment of a unit of work.

    Attributes:
        slug: the secret of the draft's own address.
        key: what the address of its publishing session has.
        content_digest: of its files; what was published, where the set was.
        review_notices: why its review did not pass, where it did not.
        go_by: who lets it go with the set as it is now; None where nobody has said so.
        may: what whoever looks may do to its project.
    """

    project_name: str
    version: str
    slug: str
    key: str
    file_count: int
    size: int
    content_digest: str
    expires: datetime
    time_left: timedelta
    review: ReviewState | None
    has_passed: bool
    review_notices: tuple[str, ...]
    added_by: str
    go_by: str | None
    may: frozenset[Act]


class SetDetails(Struct, frozen=True):
    """A set as it stands at the moment of a unit of work, for pages and APIs.

    Attributes:
        content_digest: of all its drafts now; what was published, where it was.
        is_being_reviewed: whether its drafts are being reviewed, so that it takes no changes.
        invited: the normalized names of projects whose people may add drafts.
        members: its drafts, by project and version.
        scheduled: when it is to be published by itself, None where nobody has set a time.
    """

    name: str
    owner_name: str
    slug: str
    key: str
    state: SetState
    only_together: bool
    is_being_reviewed: bool
    created: datetime
    ended: datetime | None
    content_digest: str
    invited: tuple[str, ...]
    members: tuple[SetMember, ...]
    scheduled: datetime | None

    @property
    def title(self) -> str:
        """Whose it is, and its name."""
        return title(self)

    @property
    def is_open(self) -> bool:
        """Whether it still stands open."""
        return self.state is SetState.OPEN

    @property
    def file_count(self) -> int:
        """How many files there are in all its drafts."""
        return sum(member.file_count for member in self.members)

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(member.size for member in self.members)


class SetSummary(Struct, frozen=True):
    """A set in a list; ``scheduled`` is when it is to be published by itself, if ever."""

    name: str
    owner_name: str
    key: str
    state: SetState
    only_together: bool
    changed: datetime
    draft_count: int
    scheduled: datetime | None

    @property
    def title(self) -> str:
        """Whose it is, and its name."""
        return title(self)


class SetEventLine(Struct, frozen=True):
    """A line of a set's log: who did what, when, with which draft."""

    at: datetime
    by: str
    act: str
    release: str | None
    detail: str


class Place(Struct, frozen=True):
    """A draft in a set, both as the holder of their locks sees them."""

    member: ReleaseSetMember
    draft: Draft
    project: Project


# Names


def check_name(text: str) -> str:
    """The name of a set, as somebody has written it.

    Raises:
        InvalidRequest: it is none.
    """
    name = text.strip()
    if _NAME.fullmatch(name) is None:
        raise InvalidRequest(
            f"The name of a release set has 1 to {LONGEST_NAME} ASCII letters, digits, and inner "
            "'.', '_' and '-': such as 2026.11."
        )
    return name


def reference(text: str) -> Reference:
    """The set that a text names: ``NAME``, or ``OWNER/NAME``.

    Raises:
        InvalidRequest: it names none.
    """
    owner, slash, name = text.strip().rpartition("/")
    if slash and not is_username(owner):
        raise InvalidRequest(
            "A release set is named by its name, such as 2026.11, or by the user whose it is, and "
            "its name: ada/2026.11."
        )
    return Reference(check_name(name), owner or None)


# Finding


def by_slug(db: Session, slug: str) -> ReleaseSet | None:
    """The set, open or ended, that has this slug."""
    if not may_be_random_text(slug, SLUG_LENGTH):
        return None
    return db.scalar(select(ReleaseSet).where(ReleaseSet.slug == slug))


def by_key(db: Session, key: str) -> ReleaseSet | None:
    """The set, open or ended, that has this key."""
    if not may_be_random_text(key, KEY_LENGTH):
        return None
    return db.scalar(select(ReleaseSet).where(ReleaseSet.key == key))


def open_for(uow: UnitOfWork, actor: Actor, named: Reference) -> ReleaseSet:
    """The open set that an actor names, who may see it.

    Raises:
        NotFound: there is none, or the actor may not know; the sentence is the same.
    """
    found = _open_of(uow.db, named, actor.user_id)
    if found is None and named.owner is None and actor.user_id is None:
        found = _open_without_account(uow, actor, named)
    if found is None or not may_see(uow, actor, found):
        owner = f"{named.owner}/" if named.owner is not None else ""
        raise NotFound(f"There is no open release set '{owner}{named.name}' that you may see.")
    return found


def _open_without_account(uow: UnitOfWork, actor: Actor, named: Reference) -> ReleaseSet | None:
    """The oldest set of this name that an actor sees which has no account: a workflow."""
    candidates = (
        select(ReleaseSet)
        .where(ReleaseSet.normalized_name == named.name.lower(), ReleaseSet.state == SetState.OPEN)
        .order_by(ReleaseSet.id)
        .limit(_MOST_CANDIDATES)
    )
    found = (each for each in uow.db.scalars(candidates).all() if may_see(uow, actor, each))
    return next(found, None)


def _open_of(db: Session, named: Reference, account: int | None) -> ReleaseSet | None:
    """The open set of this name, of its named owner, or else of this account."""
    query = select(ReleaseSet).where(
        ReleaseSet.normalized_name == named.name.lower(), ReleaseSet.state == SetState.OPEN
    )
    if named.owner is not None:
        owner = func.lower(User.username) == named.owner.lower()
        return db.scalar(query.join(User, User.id == ReleaseSet.owner_id).where(owner))
    return db.scalar(query.where(ReleaseSet.owner_id == account)) if account is not None else None


def may_see(uow: UnitOfWork, actor: Actor, release_set: ReleaseSet) -> bool:
    """Whether the actor may know of the set: as one of its people, or who keeps order."""
    if actor.is_administrator:
        return True
    there = _projects_in(uow, release_set)
    if not there and actor.user_id is not None and actor.user_id == release_set.owner_id:
        return True
    there += _projects_invited(uow.db, release_set)
    return any(may(actor, Act.SEE, project) for project in there)


def may_run(uow: UnitOfWork, actor: Actor, release_set: ReleaseSet) -> bool:
    """Whether the actor may say how the set is called, and who may add drafts to it.

    That are its owner in person, and whoever may publish all of it.
    """
    there = _projects_in(uow, release_set)
    return _may_run(actor, release_set, there)


def who_runs(uow: UnitOfWork, release_set: ReleaseSet) -> list[User]:
    """Who is to know of it when something of the set itself does not work, by user name.

    That is its owner; where that account is gone or disabled, whoever may publish all of it.
    """
    if release_set.owner is not None and release_set.owner.is_enabled:
        return [release_set.owner]
    there = _projects_in(uow, release_set)
    people = {role.user.username: role.user for project in there for role in project.roles}
    return [
        user
        for _, user in sorted(people.items())
        if user.is_enabled and _may_run(Person(user), release_set, there)
    ]


def _may_run(actor: Actor, release_set: ReleaseSet, there: Sequence[Project]) -> bool:
    is_owner = release_set.owner is not None and actor.is_the_user(release_set.owner)
    if is_owner or (not there and actor.user_id == release_set.owner_id is not None):
        return True
    return bool(there) and all(may(actor, Act.PUBLISH, project) for project in there)


def _require_running(uow: UnitOfWork, actor: Actor, release_set: ReleaseSet) -> None:
    if not may_run(uow, actor, release_set):
        raise NotAllowed(
            f"{actor.name!r} may not change the release set {title(release_set)!r}: its owner may, "
            "and whoever may publish all of its drafts."
        )


def _projects_in(uow: UnitOfWork, release_set: ReleaseSet) -> list[Project]:
    """The projects whose drafts are in the set, with their roles."""
    there = (
        select(Draft.project_id)
        .join(ReleaseSetMember, ReleaseSetMember.draft_id == Draft.id)
        .where(ReleaseSetMember.release_set_id == release_set.id, _stands(uow, release_set))
    )
    return _with_roles(uow.db, Project.id.in_(there))


def _projects_invited(db: Session, release_set: ReleaseSet) -> list[Project]:
    if release_set.state != SetState.OPEN:
        return []
    invited = select(ReleaseSetInvitation.normalized_name).where(
        ReleaseSetInvitation.release_set_id == release_set.id
    )
    return _with_roles(db, Project.normalized_name.in_(invited))


def _with_roles(db: Session, which: ColumnElement[bool]) -> list[Project]:
    query = select(Project).where(which).options(selectinload(Project.roles))
    return list(db.scalars(query.order_by(Project.normalized_name)))


def _stands(uow: UnitOfWork, release_set: ReleaseSet) -> ColumnElement[bool]:
    """Whether a draft counts among those of the set: those that live, or were published with it."""
    if release_set.state == SetState.PUBLISHED:
        return Draft.state == DraftState.PUBLISHED
    return live_drafts.is_live(uow)


def of_draft(uow: UnitOfWork, actor: Actor, draft: Draft) -> SetSummary | None:
    """The open set that the draft is in, for an actor who may see that."""
    release_set = set_members.of(uow.db, draft)
    if release_set is None or draft.project is None or not may(actor, Act.SEE, draft.project):
        return None
    return _summary(release_set, set_members.count_live(uow, release_set))


def _of_account(uow: UnitOfWork, user: User) -> ColumnElement[bool]:
    """Which sets a person takes part in: see :func:`may_see`."""
    own = select(Role.project_id).where(Role.user_id == user.id)
    members = select(ReleaseSetMember.draft_id).join(Draft, Draft.id == ReleaseSetMember.draft_id)
    members = members.where(
        ReleaseSetMember.release_set_id == ReleaseSet.id,
        or_(
            (ReleaseSet.state == SetState.OPEN) & live_drafts.is_live(uow),
            (ReleaseSet.state == SetState.PUBLISHED) & (Draft.state == DraftState.PUBLISHED),
        ),
    )
    invited = (
        select(ReleaseSetInvitation.release_set_id)
        .join(Project, Project.normalized_name == ReleaseSetInvitation.normalized_name)
        .where(ReleaseSetInvitation.release_set_id == ReleaseSet.id, Project.id.in_(own))
    )
    return or_(
        exists(members.where(Draft.project_id.in_(own))),
        (ReleaseSet.owner_id == user.id) & ~exists(members),
        (ReleaseSet.state == SetState.OPEN) & exists(invited),
    )


def count_of_person(uow: UnitOfWork, user: User) -> int:
    """How many sets a person takes part in, open or published."""
    counted = select(func.count()).select_from(ReleaseSet).where(_is_listed(uow, user))
    return uow.db.scalar(counted) or 0


def of_person(uow: UnitOfWork, user: User, *, start: int, count: int) -> list[SetSummary]:
    """Some of those sets: the open ones first, the last changed one before the others."""
    listed = (
        select(ReleaseSet)
        .where(_is_listed(uow, user))
        .order_by(
            (ReleaseSet.state == SetState.OPEN).desc(),
            ReleaseSet.changed.desc(),
            ReleaseSet.id.desc(),
        )
        .offset(start)
        .limit(count)
    )
    return _summaries(uow, listed)


def _is_listed(uow: UnitOfWork, user: User) -> ColumnElement[bool]:
    return ReleaseSet.state.in_((SetState.OPEN, SetState.PUBLISHED)) & _of_account(uow, user)


def all_open(uow: UnitOfWork) -> list[SetSummary]:
    """Every open set, by its owner and name: for operators."""
    query = select(ReleaseSet).where(ReleaseSet.state == SetState.OPEN)
    return _summaries(uow, query.order_by(ReleaseSet.owner_name, ReleaseSet.normalized_name))


def _summaries(uow: UnitOfWork, query: Select[ReleaseSet]) -> list[SetSummary]:
    found = uow.db.scalars(query).all()
    counts: dict[int, int] = dict(
        uow.db.execute(
            select(ReleaseSetMember.release_set_id, func.count())
            .join(Draft, Draft.id == ReleaseSetMember.draft_id)
            .where(
                ReleaseSetMember.release_set_id.in_([each.id for each in found]),
                live_drafts.is_live(uow) | (Draft.state == DraftState.PUBLISHED),
            )
            .group_by(ReleaseSetMember.release_set_id)
        ).all()
    )
    return [_summary(each, counts.get(each.id, 0)) for each in found]


def _summary(release_set: ReleaseSet, count: int) -> SetSummary:
    return SetSummary(
        name=release_set.name,
        owner_name=release_set.owner_name,
        key=release_set.key,
        state=SetState(release_set.state),
        only_together=release_set.only_together,
        changed=release_set.changed,
        draft_count=count,
        scheduled=release_set.scheduled if release_set.state == SetState.OPEN else None,
    )


def details(uow: UnitOfWork, actor: Actor, release_set: ReleaseSet) -> SetDetails:
    """The set as it stands now, in a number of queries that does not depend on its drafts."""
    there = places(uow, release_set)
    files = _files(uow.db, there)
    members = tuple(_member(uow, actor, place, files.get(place.draft.id, ())) for place in there)
    digest = digest_of(members)
    if release_set.state == SetState.PUBLISHED and release_set.content_digest is not None:
        digest = release_set.content_digest
    invited = uow.db.scalars(
        select(ReleaseSetInvitation.normalized_name)
        .where(ReleaseSetInvitation.release_set_id == release_set.id)
        .order_by(ReleaseSetInvitation.normalized_name)
    ).all()
    return SetDetails(
        name=release_set.name,
        owner_name=release_set.owner_name,
        slug=release_set.slug,
        key=release_set.key,
        state=SetState(release_set.state),
        only_together=release_set.only_together,
        is_being_reviewed=release_set.in_review and release_set.state == SetState.OPEN,
        created=release_set.created,
        ended=release_set.ended,
        content_digest=digest,
        invited=tuple(invited),
        members=members,
        scheduled=release_set.scheduled if release_set.state == SetState.OPEN else None,
    )


def digest_of(members: Sequence[SetMember]) -> str:
    """The content digest of a set that has these drafts."""
    return set_members.content_digest(
        (member.project_name, member.version, member.content_digest) for member in members
    )


def _member(uow: UnitOfWork, actor: Actor, place: Place, files: Sequence[File]) -> SetMember:
    draft, member = place.draft, place.member
    is_open = drafts.is_live(uow, draft)
    digest = draft_contents.digest_of(draft, files)
    if not is_open and draft.content_digest is not None:
        digest = draft.content_digest
    return SetMember(
        project_name=draft.project_name,
        version=draft.version,
        slug=draft.slug,
        key=draft.key,
        file_count=len(files),
        size=sum(file.size for file in files),
        content_digest=digest,
        expires=draft.expires,
        time_left=max(draft.expires - uow.now, timedelta(0)),
        review=ReviewState(draft.review) if draft.review is not None and is_open else None,
        has_passed=member.review_passed,
        review_notices=tuple(draft.review_notices if draft.review == ReviewState.ERROR else ()),
        added_by=member.added_by,
        go_by=member.go_by if is_go(member, place.project, digest) else None,
        may=permitted(actor, place.project),
    )


def is_go(member: ReleaseSetMember, project: Project, digest: str) -> bool:
    """Whether somebody who may publish the draft lets it go with the set, with this content."""
    if member.go_digest != digest or member.go_by is None:
        return False
    return member.go_user is not None and may(Person(member.go_user), Act.PUBLISH, project)


def places(uow: UnitOfWork, release_set: ReleaseSet, *, anew: bool = False) -> list[Place]:
    """The drafts of the set with their projects and roles, by project and version."""
    query = (
        select(ReleaseSetMember)
        .join(ReleaseSetMember.draft)
        .join(Draft.project)
        .where(ReleaseSetMember.release_set_id == release_set.id, _stands(uow, release_set))
        .options(
            contains_eager(ReleaseSetMember.draft)
            .contains_eager(Draft.project)
            .selectinload(Project.roles),
            selectinload(ReleaseSetMember.go_user),
        )
        .order_by(Project.normalized_name, Draft.version)
        .execution_options(populate_existing=anew)
    )
    found = uow.db.scalars(query).unique()
    return [
        Place(member, member.draft, member.draft.project)
        for member in found
        if member.draft.project is not None
    ]


def _files(db: Session, places: Sequence[Place]) -> Mapping[int, Sequence[File]]:
    """The staged files of these drafts, by the number of the draft."""
    found: dict[int, list[File]] = {}
    numbers = [place.draft.id for place in places]
    for file in db.scalars(select(File).where(File.draft_id.in_(numbers)).order_by(File.id)):
        if file.draft_id is not None:
            found.setdefault(file.draft_id, []).append(file)
    return MappingProxyType(found)


def drafts_of(uow: UnitOfWork, release_set: ReleaseSet) -> list[Draft]:
    """The drafts of the set, by project and version."""
    return [place.draft for place in places(uow, release_set)]


def free_drafts(uow: UnitOfWork, user: User, *, most: int) -> list[tuple[str, str]]:
    """Project and version of some live drafts that the person works on, and that are in no set."""
    own = select(Role.project_id).where(Role.user_id == user.id)
    rows = uow.db.execute(
        select(Draft.project_name, Draft.version)
        .outerjoin(ReleaseSetMember, ReleaseSetMember.draft_id == Draft.id)
        .where(
            Draft.project_id.in_(own),
            live_drafts.is_live(uow),
            ReleaseSetMember.draft_id.is_(None),
        )
        .order_by(Draft.changed.desc(), Draft.id.desc())
        .limit(most)
    )
    return [(name, version) for name, version in rows]


def drafts_by_project(uow: UnitOfWork, release_set: ReleaseSet) -> dict[str, list[Draft]]:
    """The drafts of the set, by the normalized names of their projects."""
    found: dict[str, list[Draft]] = {}
    for place in places(uow, release_set):
        found.setdefault(place.project.normalized_name, []).append(place.draft)
    return found


def find_file(uow: UnitOfWork, release_set: ReleaseSet, filename: str) -> tuple[File, Draft] | None:
    """The staged file of this name in a draft of the set, but where its project is quarantined."""
    row = uow.db.execute(
        select(File, Draft)
        .join(ReleaseSetMember, ReleaseSetMember.draft_id == File.draft_id)
        .join(Draft, Draft.id == File.draft_id)
        .join(Project, Project.id == Draft.project_id)
        .where(
            ReleaseSetMember.release_set_id == release_set.id,
            File.filename == filename,
            live_drafts.is_live(uow),
            ~Project.quarantined,
        )
        .options(lazyload(Draft.project), lazyload(Draft.release))
        .limit(1)
    ).one_or_none()
    return (row[0], row[1]) if row is not None else None


def events(db: Session, release_set: ReleaseSet) -> list[SetEventLine]:
    """What happened to the set, the newest first."""
    rows = db.scalars(
        select(ReleaseSetEvent)
        .where(ReleaseSetEvent.release_set_id == release_set.id)
        .order_by(ReleaseSetEvent.id.desc())
    )
    return [SetEventLine(row.at, row.by, row.act, row.release, row.detail) for row in rows]


def ended_sentence(release_set: ReleaseSet) -> str:
    """What happened to a set that has ended, in a sentence without its name, which is a secret."""
    match SetState(release_set.state):
        case SetState.PUBLISHED:
            return "This release set was published."
        case SetState.DISCARDED:
            return "This release set was discarded."
        case SetState.EXPIRED:
            return "This release set had no drafts for so long that it has ended."
        case SetState.OPEN:
            return "This release set is open."


# Making and filling


def lock_name(uow: UnitOfWork, named: Reference) -> None:
    """Be the only one that changes what is in the sets of this name. To be called before others."""
    uow.lock(_lock(named.name))


def lock_and_reload(uow: UnitOfWork, release_set: ReleaseSet) -> None:
    """Hold the lock of the set, and see it as the last holder left it.

    Raises:
        SetConflict: it is called otherwise since just now.
    """
    name = release_set.normalized_name
    uow.lock(_lock(name))
    uow.db.refresh(release_set)
    if release_set.normalized_name != name:
        raise SetConflict("The release set was renamed just now: look at it, and do it once more.")


def lock_all(uow: UnitOfWork, release_set: ReleaseSet) -> list[Place]:
    """Hold the locks of the set and of all its projects, and see all as the last holders left it.

    Raises:
        SetConflict: it is called otherwise since just now.
    """
    lock_and_reload(uow, release_set)
    projects.lock_all(uow, set_members.projects_of(uow, release_set))
    return places(uow, release_set, anew=True)


def _lock(name: str) -> str:
    return f"release-set:{name.lower()}"


def create(uow: UnitOfWork, actor: Actor, name: str) -> ReleaseSet:
    """A new set of the actor's account, without drafts.

    Raises:
        NotAllowed: the actor has no account.
        InvalidRequest: the name is none.
        SetConflict: the account has an open set of this name, or as many as it may have.
    """
    name = check_name(name)
    if actor.user_id is None:
        raise NotAllowed(
            f"{actor.name!r} has no account that a release set could belong to: add a draft to it, "
            "and it belongs to the owner of the project."
        )
    uow.lock(_lock(name))
    if _open_of(uow.db, Reference(name), actor.user_id) is not None:
        raise SetConflict(
            f"A release set {name!r} of yours is open: use that one, or choose another name."
        )
    release_set = _create(uow, actor, name, actor.user_id)
    audit.write(uow, Kind.SET_CREATE, actor, detail=title(release_set))
    return release_set


def _create(uow: UnitOfWork, actor: Actor, name: str, account: int) -> ReleaseSet:
    owner = uow.db.get_one(User, account)
    of_account = (ReleaseSet.owner_id == account) & (ReleaseSet.state == SetState.OPEN)
    counted = select(func.count()).select_from(ReleaseSet).where(of_account)
    if (uow.db.scalar(counted) or 0) >= MOST_SETS:
        raise SetConflict(
            f"The user {owner.username!r} has {MOST_SETS} open release sets, as many as an account "
            "may have: publish or discard one first."
        )
    release_set = ReleaseSet(
        slug=set_members.new_slug(),
        key=random_text(KEY_LENGTH),
        name=name,
        normalized_name=name.lower(),
        owner_id=account,
        owner_name=owner.username,
        created=uow.now,
        changed=uow.now,
    )
    uow.db.add(release_set)
    uow.db.flush()
    set_members.log(uow, release_set.id, actor, "created")
    return release_set


def join(uow: UnitOfWork, actor: Actor, draft: Draft, named: Reference) -> ReleaseSet:
    """Put the draft into the set that is named; one of the actor's account is made where it is new.

    The caller holds the locks of the set's name and of the project. To do it again changes nothing.

    Raises:
        NotAllowed: the actor may not stage.
        Ended, BeingReviewed: the draft is not open any more, or takes no changes now.
        NotFound: there is no such set of somebody else's that takes drafts of the project.
        SetConflict: the draft is in another one; or the set is full.
    """
    drafts.check_change(uow, actor, Act.STAGE, draft)
    project = draft.project
    if project is None:
        raise Ended(drafts.ended_sentence(uow, draft))
    known = _known(uow, draft, named)
    if known is not None:
        return known
    found = _to_join(uow, actor, project, named)
    release_set = found or _create(uow, actor, check_name(named.name), _account(actor, project))
    uow.db.add(
        ReleaseSetMember(
            draft_id=draft.id, release_set_id=release_set.id, added=uow.now, added_by=actor.name
        )
    )
    release_set.changed = uow.now
    set_members.log(uow, release_set.id, actor, "added", f"{draft.project_name} {draft.version}")
    uow.db.flush()
    detail = f"{title(release_set)}, which is new" if found is None else title(release_set)
    draft_log.write(uow, draft, actor, draft_log.JOINED, detail=detail)
    return release_set


def check_can_join(
    uow: UnitOfWork, actor: Actor, project_name: str, version: Version, named: Reference
) -> None:
    """Raise what :func:`join` would, as far as that is certain before there is anything to put in.

    Raises:
        NotAllowed, BeingReviewed, NotFound, SetConflict: as by :func:`join`.
    """
    project = projects.find(uow, project_name)
    if project is None or not may(actor, Act.STAGE, project):
        return
    draft = drafts.live(uow, project, version)
    if draft is None or _known(uow, draft, named) is None:
        _to_join(uow, actor, project, named)


def _known(uow: UnitOfWork, draft: Draft, named: Reference) -> ReleaseSet | None:
    """The set that the draft is in, if it is the one that is named.

    Raises:
        SetConflict: it is another one.
    """
    known = set_members.of(uow.db, draft)
    if known is None or named.is_of(known):
        return known
    raise SetConflict(
        f"The draft of {draft.project_name} {draft.version} is in the release set "
        f"{title(known)!r}, and a draft is in one at most: take it out of that one first."
    )


def _account(actor: Actor, project: Project) -> int:
    """The account whose sets are meant, where no other one is named."""
    account = actor.account_for(project.name, project)
    if account is None:
        raise NotAllowed(
            f"The project {project.name!r} has no owner whose the release set could be."
        )
    return account


def _to_join(
    uow: UnitOfWork, actor: Actor, project: Project, named: Reference
) -> ReleaseSet | None:
    """The set that a draft of the project is to come into; None where it is to be made."""
    account = _account(actor, project)
    found, owner = _open_of(uow.db, named, account), uow.db.get_one(User, account)
    is_own = named.owner is None or owner.username.lower() == named.owner.lower()
    if not is_own and (found is None or not _takes(uow, found, project, account)):
        raise NotFound(
            f"There is no open release set '{named.owner}/{named.name}' that takes drafts of "
            f"{project.name}. One of its people can invite the project."
        )
    if found is None:
        return None
    if found.in_review:
        raise BeingReviewed(
            f"The publication of the release set {title(found)!r} is being decided, and it "
            "takes no changes meanwhile: wait for the outcome."
        )
    if set_members.count_live(uow, found) >= MOST_DRAFTS:
        raise SetConflict(
            f"The release set {title(found)!r} has {MOST_DRAFTS} drafts, as many as a set may have."
        )
    return found


def _takes(uow: UnitOfWork, release_set: ReleaseSet, project: Project, account: int) -> bool:
    """Whether drafts of the project may come into somebody's set.

    The project is invited, or the account is one of the set's people.
    """
    if release_set.owner_id == account:
        return True
    invited = uow.db.get(ReleaseSetInvitation, (release_set.id, project.normalized_name))
    if invited is not None:
        return True
    there = _projects_in(uow, release_set)
    return any(role.user_id == account for each in there for role in each.roles)


def add(uow: UnitOfWork, actor: Actor, draft: Draft, named: Reference) -> ReleaseSet:
    """Put the draft into a set; see :func:`join`."""
    lock_name(uow, named)
    drafts.lock_and_reload(uow, draft)
    return join(uow, actor, draft, named)


def remove(uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, draft: Draft) -> None:
    """Take the draft out of the set.

    Whoever may stage in its project does, and the set's owner in person.

    Raises:
        NotAllowed: the actor may not.
        NotFound: it is not in the set.
        BeingReviewed: it takes no changes now.
    """
    drafts.lock_and_reload(uow, draft)
    found = set_members.of(uow.db, draft)
    if found is not release_set or draft.project is None:
        raise NotFound(
            f"The draft of {draft.project_name} {draft.version} is not in this release set."
        )
    if release_set.owner is None or not actor.is_the_user(release_set.owner):
        require(actor, Act.STAGE, draft.project)
    if draft.review == ReviewState.PROCESSING:
        raise BeingReviewed(
            f"The publication of {draft.project_name} {draft.version} is being decided, and the "
            "draft takes no changes meanwhile: wait for the outcome."
        )
    set_members.leave(uow, draft, actor, "removed")
    draft_log.write(uow, draft, actor, draft_log.LEFT, detail=title(release_set))


# Changing


def change(
    uow: UnitOfWork,
    actor: Actor,
    release_set: ReleaseSet,
    *,
    name: str | None = None,
    only_together: bool | None = None,
) -> None:
    """Call the set otherwise, or say whether its drafts are published together only.

    Raises:
        NotAllowed: the actor may not.
        InvalidRequest: the name is none.
        SetConflict: the owner has an open set of this name.
        Ended: the set is not open any more.
    """
    new = check_name(name) if name is not None else release_set.name
    before = release_set.normalized_name
    uow.lock(*sorted({_lock(before), _lock(new)}))
    uow.db.refresh(release_set)
    _check_open(release_set)
    _require_running(uow, actor, release_set)
    changed = []
    if new != release_set.name:
        taken = _open_of(uow.db, Reference(new), release_set.owner_id)
        if taken is not None and taken is not release_set:
            raise SetConflict(f"A release set {new!r} is open: choose another name.")
        changed.append(f"{title(release_set)} is called {new} now")
        release_set.name, release_set.normalized_name = new, new.lower()
    if only_together is not None and only_together != release_set.only_together:
        release_set.only_together = only_together
        changed.append(f"only together {'on' if only_together else 'off'}")
    if not changed:
        return
    detail = ", ".join(changed)
    set_members.log(uow, release_set.id, actor, "changed", detail=detail)
    uow.db.flush()
    audit.write(uow, Kind.SET_CHANGE, actor, detail=f"{title(release_set)}: {detail}")


def invite(uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, project_name: str) -> str:
    """Let the people of a project add drafts of it, and see the set; give its normalized name.

    Whether there is such a project is not said.

    Raises:
        NotAllowed: the actor may not.
        InvalidMetadata: it is no name of a project.
        SetConflict: so many are invited already.
        Ended: the set is not open any more.
    """
    check_project_name(project_name)
    name = canonicalize_name(project_name)
    lock_and_reload(uow, release_set)
    _check_open(release_set)
    _require_running(uow, actor, release_set)
    of_set = ReleaseSetInvitation.release_set_id == release_set.id
    known = set(uow.db.scalars(select(ReleaseSetInvitation.normalized_name).where(of_set)))
    if name in known:
        return name
    if len(known) >= MOST_INVITED:
        raise SetConflict(f"The release set invites {MOST_INVITED} projects, as many as it may.")
    uow.db.add(ReleaseSetInvitation(release_set_id=release_set.id, normalized_name=name))
    set_members.log(uow, release_set.id, actor, "invited", name)
    uow.db.flush()
    audit.write(uow, Kind.SET_INVITE, actor, detail=f"{title(release_set)}: {name}")
    return name


def uninvite(uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, name: str) -> None:
    """Let the people of a project add no drafts any more; what is in the set stays.

    Raises:
        NotAllowed: the actor may not.
        NotFound: it is not invited.
        Ended: the set is not open any more.
    """
    lock_and_reload(uow, release_set)
    _check_open(release_set)
    _require_running(uow, actor, release_set)
    found = uow.db.get(ReleaseSetInvitation, (release_set.id, name))
    if found is None:
        raise NotFound("The release set does not invite this project.")
    uow.db.delete(found)
    release_set.slug = set_members.new_slug()
    set_members.log(uow, release_set.id, actor, "invited no more", name)
    uow.db.flush()
    detail = f"{title(release_set)}: {name} no more; the address is another one"
    audit.write(uow, Kind.SET_INVITE, actor, detail=detail)


def rotate(uow: UnitOfWork, actor: Actor, release_set: ReleaseSet) -> None:
    """Give the set another secret address; the old one is unknown at once.

    Raises:
        NotAllowed: the actor may stage in none of its projects, and does not run it.
        Ended: the set is not open any more.
    """
    lock_and_reload(uow, release_set)
    _check_open(release_set)
    there = _projects_in(uow, release_set)
    if not any(may(actor, Act.STAGE, project) for project in there):
        _require_running(uow, actor, release_set)
    release_set.slug = set_members.new_slug()
    set_members.log(uow, release_set.id, actor, "rotated the address")
    uow.db.flush()
    audit.write(uow, Kind.SET_ROTATE, actor, detail=title(release_set))


def _check_open(release_set: ReleaseSet) -> None:
    if release_set.state != SetState.OPEN:
        raise Ended(ended_sentence(release_set))


# Ending


def discard(
    uow: UnitOfWork, actor: Actor, release_set: ReleaseSet, *, with_drafts: bool = False
) -> int:
    """End the set. Its drafts stay, or are discarded with it: all of them, or nothing happens.

    To discard a discarded set changes nothing.

    Returns:
        How many drafts were discarded.

    Raises:
        NotAllowed: the actor may not, or may not discard each of the drafts.
        InvalidRequest: only an administrator may, who has not said why.
        Ended: the set was published, or has ended otherwise.
        BeingReviewed: its publication is being decided.
    """
    places = lock_all(uow, release_set)
    if release_set.state == SetState.DISCARDED:
        return 0
    _check_open(release_set)
    there = [place.project for place in places]
    keeps_order = actor.is_administrator and not with_drafts
    if not keeps_order and not _may_run(actor, release_set, there):
        _check_discards_all(actor, release_set, places)
    if owes_reason(actor, release_set, there):
        require_reason(actor)
    if release_set.in_review:
        raise BeingReviewed(
            f"The publication of the release set {title(release_set)!r} is being decided, and it "
            "takes no changes meanwhile: wait for the outcome."
        )
    if with_drafts:
        for place in places:
            drafts.check_change(uow, actor, Act.DISCARD, place.draft)
    _end(uow, release_set, SetState.DISCARDED, actor)
    why = f"with the release set {title(release_set)}"
    for place in places:
        if with_drafts:
            drafts.discard(uow, actor, place.draft, recorded=False, reason=why)
        else:
            left = title(release_set)
            draft_log.write(uow, place.draft, actor, draft_log.LEFT, detail=left, recorded=False)
    set_members.log(uow, release_set.id, actor, "discarded")
    uow.db.flush()
    count = len(places) if with_drafts else 0
    besides = f", with {counted(count, 'draft')}" if with_drafts else ""
    detail = f"{title(release_set)}{besides}"
    audit.write(uow, Kind.SET_DISCARD, actor, detail=detail)
    webhook_events.note_set(uow, Kind.SET_DISCARD.value, release_set, audit.plain(actor.name))
    return count


def owes_reason(actor: Actor, release_set: ReleaseSet, there: Sequence[Project]) -> bool:
    """Whether the actor ends the set, with drafts of these projects, as an administrator."""
    is_person = actor.is_administrator and actor.user_id is not None
    return is_person and not _may_run(actor, release_set, there)


def _check_discards_all(actor: Actor, release_set: ReleaseSet, places: Sequence[Place]) -> None:
    if not places or not all(may(actor, Act.DISCARD, place.project) for place in places):
        raise NotAllowed(
            f"{actor.name!r} may not discard the release set {title(release_set)!r}: its owner "
            "may, and whoever may discard all of its drafts."
        )


def _end(uow: UnitOfWork, release_set: ReleaseSet, state: SetState, by: Actor) -> None:
    """End the set without its drafts, which are in none any more."""
    of_set = release_set.id
    schedule_rows.end(uow, release_set, ScheduleState.CANCELED, by)
    release_set.state, release_set.ended = state, uow.now
    uow.db.execute(delete(ReleaseSetMember).where(ReleaseSetMember.release_set_id == of_set))
    uow.db.execute(
        delete(ReleaseSetInvitation).where(ReleaseSetInvitation.release_set_id == of_set)
    )
    uow.db.flush()


def expire(uow: UnitOfWork, *, most: int = 500) -> int:
    """End the open sets that have had no draft for as long as a draft may live; say how many.

    No more than ``most`` at a time.
    """
    before = uow.now - uow.settings.draft_lifetime_max
    has_drafts = exists().where(ReleaseSetMember.release_set_id == ReleaseSet.id)
    is_recent = exists().where(
        ReleaseSetEvent.release_set_id == ReleaseSet.id, ReleaseSetEvent.at >= before
    )
    due = (
        select(ReleaseSet)
        .where(ReleaseSet.state == SetState.OPEN, ReleaseSet.changed < before)
        .where(~has_drafts, ~is_recent)
        .order_by(ReleaseSet.normalized_name, ReleaseSet.id)
        .limit(most)
    )
    ended = 0
    for release_set in uow.db.scalars(due).all():
        lock_and_reload(uow, release_set)
        is_due = release_set.state == SetState.OPEN and release_set.changed < before
        if is_due and not set_members.count_live(uow, release_set):
            _end(uow, release_set, SetState.EXPIRED, EXPIRY)
            set_members.log(uow, release_set.id, EXPIRY, "expired")
            audit.write(uow, Kind.SET_EXPIRE, EXPIRY, detail=title(release_set))
            webhook_events.note_set(uow, Kind.SET_EXPIRE.value, release_set, EXPIRY.name)
            ended += 1
    return ended
