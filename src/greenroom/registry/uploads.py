"""Upload one file, direct or staged: the way in, whichever entry point received it.

:func:`upload_file` is the whole of it: check, in a unit of work that reads; inspect and store, in
none, as that may take long; accept, in one that writes, where everything is checked again under the
project's lock, because the world may have changed meanwhile.
"""

from collections.abc import Callable
from datetime import timedelta

from msgspec import Struct
from packaging.utils import canonicalize_name

from greenroom.counts import counted
from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.inspect import Distribution, inspect
from greenroom.models import Draft, File, Project, Release
from greenroom.registry import (
    audit,
    blob_digests,
    catalogue,
    draft_contents,
    drafts,
    expected_files,
    file_rules,
    projects,
    publication,
    publishing_policy,
    release_sets,
    releases,
    upload_places,
    upstream_names,
    upstreams,
)
from greenroom.registry.arriving import OF_NOBODY, Share
from greenroom.registry.artifacts import Artifact, Claims
from greenroom.registry.drafts import Staged
from greenroom.registry.errors import (
    DraftIsOpen,
    DraftsOnly,
    InvalidFile,
    Refusal,
    TooMany,
    WrongDigest,
)
from greenroom.registry.permissions import Act, Actor, may, require_registering, require_upload
from greenroom.registry.preparations import with_preparations
from greenroom.registry.rate_limits import waiting_time
from greenroom.registry.release_sets import Reference
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.upload_places import DraftThere, Place, ProjectThere
from greenroom.settings import Settings
from greenroom.storage import Storage


class Accepted(Struct, frozen=True):
    """What became of an upload.

    Attributes:
        draft_key: the key of the version's live draft, by which :func:`drafts.by_key` finds it.
        opened: whether the upload opened it.
        published: whether the file is public.
        changed: False where it was there before.
        warning: what is to be known of an index behind this one that has the name, too, where the
            upload has registered it; empty: nothing.
    """

    draft_key: str | None
    opened: bool
    published: bool
    changed: bool
    warning: str = ""


Authenticate = Callable[[UnitOfWork], Actor]
"""Who asks, as far as the credentials hold in this unit of work; raises NotAuthenticated."""


class Admission(Struct, frozen=True):
    """That an upload may come in, as far as that was certain before its file arrived.

    Attributes:
        filename: what the file is to be called.
        claims: what is said of it.
        staged: whether it goes into a draft.
        room: the bytes that it may have.
    """

    filename: str
    claims: Claims
    staged: bool
    room: int

    def covers(self, artifact: Artifact, claims: Claims, *, staged: bool) -> bool:
        """Whether the file that has arrived is the one that was looked ahead to."""
        return (
            (self.filename, self.claims, self.staged) == (artifact.filename, claims, staged)
            and claims.digests.get("sha256", "").lower() == artifact.sha256
            and 0 < artifact.size <= self.room
        )


def look_ahead(
    uow: UnitOfWork, actor: Actor, filename: str, claims: Claims, *, staged: bool
) -> Admission | None:
    """Check what can be checked before the file arrives.

    Args:
        uow: what to look into.
        actor: who uploads.
        filename: what the file is called.
        claims: what is said of it.
        staged: whether it goes into a draft, as far as that is known.

    Returns:
        None, where something stands in the way that other checks come before; or where nobody can
        say without the file. :func:`upload_file` finds out.

    Raises:
        NotAllowed, InvalidMetadata, NameNotAvailable, TooMany: the actor may not even stage.
        ProjectClosed: nobody may.
        OutOfSpace, TooLarge: a quota leaves no room beside what is arriving.
    """
    project = check_actor(uow, actor, claims.name, staged=True)
    sha256 = claims.digests.get("sha256", "").lower()
    if not sha256:
        return None
    place = upload_places.place(uow, project, claims.version, filename)
    try:
        if project is None:
            require_registering(actor, claims.name, staged=staged)
        else:
            require_upload(actor, project, staged=staged)
        if _check_rules(uow, place, filename, sha256, claims, staged=staged):
            return None
    except Refusal:
        return None
    has_quotas = (uow.settings.max_total_size, uow.settings.max_user_size) != (None, None)
    if has_quotas:  # they are certain once its size is
        given_back = place.former.size if place.former is not None else 0
        account = actor.account_for(claims.name, project)
        file_rules.check_quotas(uow, account, project, 1 - given_back, is_arriving=True)
        return None
    room = min(uow.settings.max_file_size, _room(uow, place))
    return Admission(filename, claims, staged, room)


def share(uow: UnitOfWork, actor: Actor, filename: str, claims: Claims | None) -> Share:
    """Whose quota the bytes of a file count against while they arrive, and how many may.

    Args:
        uow: what to look into.
        actor: who uploads.
        filename: what the file is called.
        claims: what is said of it; None where that comes later.
    """
    if uow.settings.max_user_size is None:
        return OF_NOBODY
    if claims is None:
        return Share(actor.user_id)
    project = upload_places.project(uow, claims.name)
    place = upload_places.place(uow, project, claims.version, filename)
    given_back = place.former.size if place.former is not None else 0
    account = actor.account_for(claims.name, project)
    return file_rules.share(uow, account, project, given_back)


def upload_file(
    services: Services,
    authenticate: Authenticate,
    artifact: Artifact,
    claims: Claims,
    *,
    staged: bool,
    content_type: str | None = None,
    admission: Admission | None = None,
    into: Reference | None = None,
) -> Accepted:
    """Take one file into the index: into a draft, or to be public at once.

    Args:
        services: where to.
        authenticate: who asks. It is asked again when the file is accepted, which may be much
            later.
        artifact: the file.
        claims: what its uploader says of it.
        staged: whether it goes into the draft of its version.
        content_type: the media type that the uploader gives it, in lower case.
        admission: what :func:`look_ahead` gave for this actor since the request began. Where it
            covers what has arrived, nothing is asked again before the lock is taken.
        into: the release set that the draft is to be in, where it is staged.

    Returns:
        What became of it.

    Raises:
        NotAuthenticated, Refusal: of the kind that says why; nothing has changed.
    """
    if admission is None or not admission.covers(artifact, claims, staged=staged):
        with services.reading() as uow:
            actor = authenticate(uow)
            check_actor(uow, actor, claims.name, staged=staged)
            file_rules.check_content(artifact.size, content_type)
            nothing_to_do = check(uow, actor, artifact, claims, staged=staged)
            is_lost = nothing_to_do is not None and _is_lost(uow, artifact)
        if nothing_to_do is not None:
            if is_lost:
                inspect_and_store(services.settings, services.storage, artifact, claims)
            return nothing_to_do
    file_rules.check_content(artifact.size, content_type)
    _check_digests(artifact, claims)
    distribution = inspect_and_store(services.settings, services.storage, artifact, claims)

    def take() -> Accepted:
        with services.writing() as uow:
            actor = authenticate(uow)
            return accept(uow, actor, artifact, claims, distribution, staged=staged, into=into)

    return with_preparations(services, take)


def check_actor(uow: UnitOfWork, actor: Actor, name: str, *, staged: bool) -> ProjectThere | None:
    """The project of this name, if the actor may upload to it; None if the actor may register it.

    Raises:
        NotAllowed, InvalidMetadata, NameNotAvailable, TooMany: the actor may not.
        ProjectClosed: nobody may.
    """
    project = upload_places.project(uow, name)
    if project is None:
        projects.check_can_register(uow, actor, name, staged=staged)
    else:
        if may(actor, Act.SEE, project):  # nobody else is told how it stands
            file_rules.check_project_open(project)
        called = name if projects.is_hidden(uow, project) else None
        require_upload(actor, project, staged=staged, called=called)
    _check_rate(uow, actor)
    return project


def check(
    uow: UnitOfWork, actor: Actor, artifact: Artifact, claims: Claims, *, staged: bool
) -> Accepted | None:
    """Raise a refusal, of the kind that says why, unless the upload may go on.

    Returns:
        None, if there is something to do. An upload of what is published is accepted here.
    """
    found = _looked_up(uow, actor, artifact, claims, staged=staged)
    return found if isinstance(found, Accepted) else None


def _looked_up(
    uow: UnitOfWork, actor: Actor, artifact: Artifact, claims: Claims, *, staged: bool
) -> Accepted | Place:
    """What :func:`check` does; where there is something to do, this is where."""
    project = check_actor(uow, actor, claims.name, staged=staged)
    place = upload_places.place(uow, project, claims.version, artifact.filename)
    file_rules.check_file_size(uow, artifact.size)
    given_back = place.former.size if place.former is not None else 0
    file_rules.check_project_size(uow, project, artifact.size - given_back, place.project_size)
    file_rules.check_quotas(
        uow,
        actor.account_for(claims.name, project),
        project,
        artifact.size - given_back,
        besides=(place.draft.id, artifact.filename) if place.draft is not None else None,
    )
    _check_digests(artifact, claims)
    if _check_rules(uow, place, artifact.filename, artifact.sha256, claims, staged=staged):
        return Accepted(_key(place.draft), opened=False, published=True, changed=False)
    return place


def _check_rules(
    uow: UnitOfWork, place: Place, filename: str, sha256: str, claims: Claims, *, staged: bool
) -> bool:
    """Raise a refusal unless a file of this name and content may come there.

    Returns:
        Whether it is published as it is, so that there is nothing to do.
    """
    if file_rules.is_published(uow, filename, sha256):
        return True
    if place.draft is not None and place.former is not None:
        drafts.check_not_reserved(place.draft, filename)
    if not staged:
        _check_direct(uow, place, filename, claims)
        if place.project is not None:
            projects.check_may_be_registered(uow, place.project)
    if place.release is not None:
        file_rules.check_release_open(uow, place.release)
        if claims.packagetype == "sdist":
            file_rules.check_single_sdist(uow, place.release, filename)
    return False


def _room(uow: UnitOfWork, place: Place) -> int:
    """The bytes that a file may have so that the project stays within its quota."""
    given_back = place.former.size if place.former is not None else 0
    return file_rules.project_quota(uow, place.project) - place.project_size + given_back


def examine(settings: Settings, artifact: Artifact, claims: Claims) -> Distribution:
    """What is inside the file, which must agree with what its uploader says.

    Raises:
        InvalidFile: with every reason.
    """
    try:
        distribution = inspect(artifact.path, artifact.filename, private=settings.private)
    except InvalidDistribution as error:
        raise _invalid(*error.reasons) from None
    disagreements = list(_disagreements(distribution, claims))
    if disagreements:
        raise _invalid(*disagreements)
    releases.rendered_description(distribution.metadata)
    return distribution


def inspect_and_store(
    settings: Settings, storage: Storage, artifact: Artifact, claims: Claims
) -> Distribution:
    """What is inside the file, whose bytes and metadata are stored, durably, when this returns.

    Raises:
        InvalidFile: with every reason; nothing is stored.
    """
    distribution = examine(settings, artifact, claims)
    keep(storage, artifact, distribution)
    return distribution


def keep(storage: Storage, artifact: Artifact, distribution: Distribution) -> None:
    """Store the bytes and the metadata file. Both are there, durably, when this returns."""
    storage.put_all(
        {
            artifact.sha256: artifact.path,
            distribution.metadata_sha256: distribution.metadata_content,
        }
    )


def accept(
    uow: UnitOfWork,
    actor: Actor,
    artifact: Artifact,
    claims: Claims,
    distribution: Distribution,
    *,
    staged: bool,
    into: Reference | None = None,
) -> Accepted:
    """Take the file into a draft, which comes into the release set ``into``; or publish it.

    Raises:
        Refusal: of the kind that says why.
    """
    if into is not None:  # whose lock comes before that of the project
        release_sets.lock_name(uow, into)
    projects.lock(uow, claims.name)
    drafts.expire_due(uow, claims.name)
    place = _looked_up(uow, actor, artifact, claims, staged=staged)
    if isinstance(place, Accepted):
        return place
    keep_for_certain(uow, artifact, distribution)
    take_in = _stage if staged else _publish
    accepted = take_in(uow, actor, place, artifact, distribution, claims.comment)
    draft = drafts.by_key(uow.db, accepted.draft_key or "") if into is not None else None
    if draft is not None and into is not None:
        release_sets.join(uow, actor, draft, into)
    return accepted


def _is_lost(uow: UnitOfWork, artifact: Artifact) -> bool:
    """Whether a file is published, and its bytes or its metadata are not there as they were."""
    published = catalogue.file(uow.db, artifact.filename)
    if published is None:
        return False
    if uow.storage.size(published.sha256) != published.size:
        return True
    return not blob_digests.is_there_intact(uow.storage, published.metadata_sha256)


def _key(draft: DraftThere | None) -> str | None:
    return draft.key if draft is not None else None


def _check_digests(artifact: Artifact, claims: Claims) -> None:
    actual = {
        "md5": artifact.md5,
        "sha256": artifact.sha256,
        "blake2_256": artifact.blake2_256,
    }
    for algorithm, digest in claims.digests.items():
        if digest.lower() != actual[algorithm]:
            raise WrongDigest(
                f"The digest supplied ({algorithm}) does not match the digest calculated from the "
                "uploaded file: it was damaged on the way, or the digest is another file's."
            )


def _check_direct(uow: UnitOfWork, place: Place, filename: str, claims: Claims) -> None:
    if place.draft is not None:
        raise DraftIsOpen(place.draft.project_name, place.draft.version)
    if uow.settings.review_command is not None:
        raise DraftsOnly("This index reviews what is published.")
    publishing_policy.check_direct(uow, place.project)
    if place.project is not None:
        is_sdist = claims.packagetype == "sdist"
        expected_files.check_direct(uow, place.project, place.release, filename, is_sdist=is_sdist)


def _check_rate(uow: UnitOfWork, actor: Actor) -> None:
    limit = uow.settings.uploads_per_hour
    own = actor.uploads() if limit else None
    if own is None:
        return
    wait = waiting_time(uow, File.created, own, limit=limit, within=timedelta(hours=1))
    if wait is not None:
        raise TooMany(
            f"The user {actor.name!r} uploaded {counted(limit, 'file')} within an hour, as many as "
            "this index allows: wait before you upload the next one.",
            wait,
        )


def _disagreements(distribution: Distribution, claims: Claims) -> list[str]:
    found = []
    says = f"the {claims.told_by} says"
    if distribution.packagetype != claims.packagetype:
        found.append(
            f"The file is of the type {distribution.packagetype!r}, {says} {claims.packagetype!r}."
        )
    if distribution.normalized_name != canonicalize_name(claims.name):
        found.append(f"The file is of the project {distribution.name!r}, {says} {claims.name!r}.")
    if distribution.version != claims.version:
        found.append(f"The file is of the version {distribution.version}, {says} {claims.version}.")
    return found


def _invalid(*reasons: str) -> InvalidFile:
    return InvalidFile("Invalid distribution file. " + " ".join(reasons), reasons)


def keep_for_certain(uow: UnitOfWork, artifact: Artifact, distribution: Distribution) -> None:
    """See that the bytes and the metadata file are stored, and stay.

    Under the blobs' locks, which housekeeping respects: what is there now stays.
    """
    digests = sorted({artifact.sha256, distribution.metadata_sha256})
    uow.lock(*(f"blob:{digest}" for digest in digests))
    if not all(digest in uow.storage for digest in digests):
        keep(uow.storage, artifact, distribution)


def _stage(
    uow: UnitOfWork,
    actor: Actor,
    place: Place,
    artifact: Artifact,
    distribution: Distribution,
    comment: str,
) -> Accepted:
    there, release_there = place.draft, place.release
    if (
        there is not None
        and release_there is not None
        and place.former is None
        and drafts.takes_one_more(uow, there, release_there, distribution)
    ):
        drafts.add_one_more(uow, actor, there, release_there, artifact, distribution, comment)
        return Accepted(there.key, opened=False, published=False, changed=True)
    project, release, draft = _objects(uow, actor, place, distribution, staged=True)
    if draft is None:
        draft = drafts.open_for(uow, actor, project, distribution.version, release, recorded=False)
    former, opens = drafts.find_file(uow.db, draft, artifact.filename), there is None
    staged = drafts.add_file(
        uow, actor, draft, artifact, distribution, comment, former=former, opens=opens
    )
    return Accepted(
        draft.key,
        opened=opens,
        published=False,
        changed=staged is not Staged.UNCHANGED,
    )


def _publish(
    uow: UnitOfWork,
    actor: Actor,
    place: Place,
    artifact: Artifact,
    distribution: Distribution,
    comment: str,
) -> Accepted:
    is_first = place.release is None or place.release.published is None
    project, version, warning = _make_public(uow, actor, place, artifact, distribution, comment)
    audit.write(
        uow,
        audit.Kind.FILE_UPLOAD,
        actor,
        project=project,
        version=version,
        filename=artifact.filename,
        detail=". ".join(filter(None, [draft_contents.added(artifact.sha256), warning])),
        told=is_first,
    )
    return Accepted(None, opened=False, published=True, changed=True, warning=warning)


def _make_public(
    uow: UnitOfWork,
    actor: Actor,
    place: Place,
    artifact: Artifact,
    distribution: Distribution,
    comment: str,
) -> tuple[audit.Audited, str, str]:
    """Publish the file; give the project and the version that it is of now, and a warning."""
    there, release_there = place.project, place.release
    if there is not None and publication.is_spelled_so(there, distribution):
        if release_there is None:
            publication.add_release(uow, actor, there, artifact, distribution, comment)
            return there, str(distribution.version), ""
        if publication.changes_nothing_else(uow, release_there, distribution):
            publication.add_file(uow, actor, there, release_there, artifact, distribution, comment)
            return there, release_there.version, ""
    project, release, _ = _objects(uow, actor, place, distribution, staged=False)
    warning = ""
    if project.registered is None:
        upstream_names.settle(uow, project)
        warning = upstreams.warning_of_direct(uow, project)
    if release is None:
        release = releases.add(uow, project, distribution.version)
    file = releases.new_file(uow, actor, release, artifact, distribution, comment)
    publication.make_public(uow, actor.name, project, release, [file])
    return project, release.version, warning


def _objects(
    uow: UnitOfWork, actor: Actor, place: Place, distribution: Distribution, *, staged: bool
) -> tuple[Project, Release | None, Draft | None]:
    """What is there, as objects that can be changed; a project is made where there is none."""
    if place.project is None:
        return projects.create(uow, actor, distribution.name, staged=staged), None, None
    project = uow.db.get_one(Project, place.project.id, populate_existing=True)
    if place.release is None:
        return project, None, None
    return project, *drafts.release_and_live(uow, project, distribution.version)
