"""One file on its way in: every check, their order, and that a refusal leaves nothing behind."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace
from packaging.version import Version
from sqlalchemy import select

from greenroom.models import File, Project, PublishedName, RoleName, User
from greenroom.registry import accounts, catalogue, projects, uploads
from greenroom.registry.errors import (
    DraftIsOpen,
    DraftsOnly,
    FileExists,
    InvalidFile,
    InvalidMetadata,
    NameNotAvailable,
    NotAllowed,
    OutOfSpace,
    Refusal,
    ReleaseClosed,
    SecondSdist,
    TooLarge,
    TooMany,
    WrongDigest,
)
from greenroom.registry.permissions import Actor, Person
from greenroom.registry.projects import ProjectSettings
from greenroom.registry.unit_of_work import Services, UnitOfWork
from greenroom.registry.uploads import Accepted
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.conftest import FakeClock

BOTH_WAYS = pytest.mark.parametrize("staged", [True, False], ids=["staged", "direct"])


@pytest.fixture
def project(uow: UnitOfWork, ada: Person, tmp_path: Path) -> Project:
    """`example`, of which 1.0 is published with a wheel."""
    return factories.release(uow, ada, make_wheel(tmp_path / "published"))


def with_settings(uow: UnitOfWork, **settings: int | str) -> UnitOfWork:
    return replace(uow, settings=replace(uow.settings, **settings))


def refused(
    uow: UnitOfWork,
    kind: type[Refusal],
    user: User | Actor,
    path: Path,
    *,
    staged: bool,
    **claims: object,
) -> str:
    """The sentence of the refusal, after which nothing is other than before."""
    before = factories.everything(uow)
    with pytest.raises(Refusal) as caught:
        _upload(uow, user, path, staged=staged, **claims)
    assert type(caught.value) is kind, caught.value
    assert factories.everything(uow) == before
    if kind is not FileExists:
        assert "already exist" not in " ".join([str(caught.value), *caught.value.details]).lower()
    return str(caught.value)


def _upload(
    uow: UnitOfWork, user: User | Actor, path: Path, *, staged: bool, **claims: object
) -> Accepted:
    if not claims:
        return factories.upload(uow, user, path, staged=staged)
    actor = Person(user) if isinstance(user, User) else user
    artifact = factories.artifact_of(path)
    claimed = replace(factories.claims_of(path), **claims)
    return uploads.upload_file(
        factories.one_unit(uow), lambda _: actor, artifact, claimed, staged=staged
    )


# What is accepted


def test_a_direct_upload_is_public(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    accepted = factories.upload(uow, ada, wheel, staged=False)
    assert accepted == Accepted(None, opened=False, published=True, changed=True)
    assert factories.public_filenames(uow, "example") == [wheel.name]
    file = catalogue.file(uow.db, wheel.name)
    assert file is not None
    assert file.uploaded_by is ada.user
    assert file.sha256 in uow.storage
    assert file.metadata_sha256 in uow.storage


def test_the_kept_metadata_is_what_is_in_the_wheel(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    factories.upload(uow, ada, make_wheel(tmp_path), staged=False)
    file = catalogue.file(uow.db, "example-1.0-py3-none-any.whl")
    assert file is not None
    with uow.storage.open(file.metadata_sha256) as blob:
        assert b"".join(blob).startswith(b"Metadata-Version: 2.1\nName: example\nVersion: 1.0\n")


def test_a_staged_upload_opens_a_draft_and_the_next_joins_it(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    first = factories.upload(uow, ada, make_wheel(tmp_path), staged=True)
    second = factories.upload(uow, ada, make_sdist(tmp_path), staged=True)
    assert (first.opened, first.published, first.changed) == (True, False, True)
    assert (second.opened, second.published, second.changed) == (False, False, True)
    assert first.draft_key is not None
    assert first.draft_key == second.draft_key
    assert factories.public_filenames(uow, "example") == []


def test_a_maintainer_uploads_both_ways(
    uow: UnitOfWork, eve: Person, project: Project, tmp_path: Path
) -> None:
    factories.add_role(uow, project, eve.user, RoleName.MAINTAINER)
    assert factories.upload(uow, eve, make_sdist(tmp_path), staged=False).published
    wheel = make_wheel(tmp_path, version="2.0")
    assert factories.upload(uow, eve, wheel, staged=True).opened


def test_the_project_is_spelled_as_its_first_artifact_does(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    project = factories.release(uow, ada, make_wheel(tmp_path, "Zope.Example"))
    assert project.name == "Zope.Example"


def test_the_release_says_what_its_source_distribution_says_whenever_it_came(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    project = factories.release(
        uow, ada, make_wheel(tmp_path, summary="First.", requires_python=">=3.9")
    )
    factories.release(uow, ada, make_sdist(tmp_path, summary="Second."))
    release = catalogue.release(uow.db, project, "1.0")
    assert release is not None
    assert (release.summary, release.requires_python) == ("Second.", None)


# What is there already


@BOTH_WAYS
def test_what_is_published_may_be_uploaded_again(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, staged: bool
) -> None:
    wheel = make_wheel(tmp_path)
    before = factories.everything(uow)
    accepted = factories.upload(uow, ada, wheel, staged=staged)
    assert accepted == Accepted(None, opened=False, published=True, changed=False)
    assert factories.everything(uow) == before


@BOTH_WAYS
def test_also_while_a_draft_is_open(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, staged: bool
) -> None:
    draft = factories.stage(uow, ada, make_sdist(tmp_path))
    before = factories.everything(uow)
    accepted = factories.upload(uow, ada, make_wheel(tmp_path), staged=staged)
    assert accepted == Accepted(draft.key, opened=False, published=True, changed=False)
    assert factories.everything(uow) == before


@BOTH_WAYS
def test_a_stranger_may_not_even_do_that(
    uow: UnitOfWork, eve: Person, project: Project, tmp_path: Path, staged: bool
) -> None:
    refused(uow, NotAllowed, eve, make_wheel(tmp_path), staged=staged)


@BOTH_WAYS
def test_a_published_file_is_never_replaced(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, staged: bool
) -> None:
    sentence = refused(uow, FileExists, ada, make_wheel(tmp_path, salt="x"), staged=staged)
    assert sentence.startswith("File already exists")


@BOTH_WAYS
def test_published_content_has_one_name(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, staged: bool
) -> None:
    same = make_wheel(tmp_path, filename="example-1.0-1-py3-none-any.whl")
    sentence = refused(uow, FileExists, ada, same, staged=staged)
    assert sentence.startswith("File already exists")
    assert "example-1.0-py3-none-any.whl" in sentence


@BOTH_WAYS
@pytest.mark.parametrize("salt", ["", "other"], ids=["same bytes", "other bytes"])
def test_the_name_of_a_deleted_file_is_burnt(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, staged: bool, salt: str
) -> None:
    file = catalogue.file(uow.db, "example-1.0-py3-none-any.whl")
    uow.db.delete(file)
    sentence = refused(uow, FileExists, ada, make_wheel(tmp_path, salt=salt), staged=staged)
    assert sentence == "This filename has already been used, use a different version."


# Names


@BOTH_WAYS
@pytest.mark.parametrize(
    ("name", "kind", "about"),
    [
        ("json", NameNotAvailable, "isn't allowed"),
        ("examp1e", NameNotAvailable, "too similar"),
        ("ex-ample", NameNotAvailable, "too similar"),
    ],
)
def test_names_that_nobody_gets(
    uow: UnitOfWork,
    eve: Person,
    project: Project,
    tmp_path: Path,
    staged: bool,
    name: str,
    kind: type[Refusal],
    about: str,
) -> None:
    assert about in refused(uow, kind, eve, make_wheel(tmp_path, name), staged=staged)


@BOTH_WAYS
def test_a_name_that_is_none(uow: UnitOfWork, eve: Person, tmp_path: Path, staged: bool) -> None:
    sentence = refused(
        uow, InvalidMetadata, eve, make_wheel(tmp_path), staged=staged, name="-example-"
    )
    assert "invalid value for Name" in sentence


@BOTH_WAYS
def test_a_name_of_somebody_else(
    uow: UnitOfWork, eve: Person, project: Project, tmp_path: Path, staged: bool
) -> None:
    sentence = refused(uow, NotAllowed, eve, make_sdist(tmp_path), staged=staged)
    assert "The user 'eve' isn't allowed to upload to project 'example'" in sentence


def test_a_refusal_for_a_reserved_name_reads_as_for_any_taken_name(
    uow: UnitOfWork, ada: Person, eve: Person, tmp_path: Path
) -> None:
    factories.release(uow, ada, make_wheel(tmp_path, "taken"))
    factories.stage(uow, ada, make_wheel(tmp_path, "reserved"))
    sentences = {
        name: [
            refused(uow, NotAllowed, eve, make_sdist(tmp_path, name), staged=staged)
            for staged in (True, False)
        ]
        for name in ("taken", "reserved")
    }
    similar = {
        name: refused(uow, NameNotAvailable, eve, make_wheel(tmp_path, similar), staged=False)
        for name, similar in (("taken", "tak-en"), ("reserved", "res-erved"))
    }
    shaped = [s.replace("reserved", "taken") for s in sentences["reserved"]]
    assert shaped == sentences["taken"]
    # Which name it is like is said of one that everybody can find, and of no other.
    assert ", 'taken': " in similar["taken"]
    assert "'reserved'" not in similar["reserved"]
    unnamed = similar["taken"].replace(", 'taken'", "")
    assert similar["reserved"].replace("res-erved", "tak-en") == unnamed


@BOTH_WAYS
def test_names_per_hour_are_limited(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, staged: bool
) -> None:
    limited = with_settings(uow, new_projects_per_hour=1)
    sentence = refused(limited, TooMany, ada, make_wheel(tmp_path, "second"), staged=staged)
    assert "registered 1 project names" in sentence
    assert factories.upload(limited, ada, make_sdist(tmp_path), staged=staged).changed


@BOTH_WAYS
def test_uploads_per_hour_are_limited(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, staged: bool
) -> None:
    limited = with_settings(uow, uploads_per_hour=1)
    sdist = make_sdist(tmp_path)
    assert "uploaded 1 file" in refused(limited, TooMany, ada, sdist, staged=staged)
    later = replace(limited, now=uow.now + timedelta(hours=1))
    assert factories.upload(later, ada, sdist, staged=staged).changed


@BOTH_WAYS
def test_the_index_and_a_person_have_room_for_so_much(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, staged: bool
) -> None:
    sdist, other = make_sdist(tmp_path), make_wheel(tmp_path, "second")
    size = projects.total_size(uow) + max(sdist.stat().st_size, other.stat().st_size)
    full = "The index is full: all files together may have"
    assert refused(
        with_settings(uow, max_total_size=size - 200), OutOfSpace, ada, sdist, staged=staged
    ).startswith(full)
    for path in (sdist, other):
        mine = with_settings(uow, max_user_size=size - 200)
        sentence = refused(mine, TooLarge, ada, path, staged=staged)
        assert sentence.startswith("Your projects are too large.")
    bob = factories.make_user(uow, "bob")
    factories.add_role(uow, project, bob, RoleName.MAINTAINER)
    limited = with_settings(uow, max_total_size=size, max_user_size=1)
    assert factories.upload(limited, Person(bob), sdist, staged=staged).changed


def test_limits_do_not_count_what_a_clock_that_was_ahead_wrote_down(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    """The clock went back two days, and nobody waits two days."""
    back = replace(uow, now=uow.now - timedelta(days=2))
    limited = with_settings(back, uploads_per_hour=1, new_projects_per_hour=1)
    assert factories.upload(limited, ada, make_sdist(tmp_path), staged=False).changed
    sentence = refused(limited, TooMany, ada, make_wheel(tmp_path, salt="more"), staged=False)
    assert "uploaded 1 file" in sentence


def test_an_unverified_person_uploads_nothing_new(uow: UnitOfWork, tmp_path: Path) -> None:
    new = factories.make_user(uow, "new", verified=False)
    sentence = refused(uow, NotAllowed, new, make_wheel(tmp_path), staged=True)
    assert "no verified e-mail address" in sentence


# Sizes and digests


@BOTH_WAYS
def test_a_file_that_is_too_large(
    uow: UnitOfWork, ada: Person, tmp_path: Path, staged: bool
) -> None:
    wheel = make_wheel(tmp_path)
    limited = with_settings(uow, max_file_size=wheel.stat().st_size - 1)
    assert "File too large" in refused(limited, TooLarge, ada, wheel, staged=staged)
    fitting = with_settings(uow, max_file_size=wheel.stat().st_size)
    assert factories.upload(fitting, ada, wheel, staged=staged).changed


@BOTH_WAYS
def test_a_project_that_is_too_large(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, staged: bool
) -> None:
    sdist = make_sdist(tmp_path)
    together = sdist.stat().st_size + projects.size(uow, project)
    limited = with_settings(uow, max_project_size=together - 1)
    assert "Project size too large" in refused(limited, TooLarge, ada, sdist, staged=staged)
    fitting = with_settings(uow, max_project_size=together)
    assert factories.upload(fitting, ada, sdist, staged=staged).changed


@BOTH_WAYS
@pytest.mark.parametrize("algorithm", ["md5", "sha256", "blake2_256"])
def test_a_digest_that_does_not_match(
    uow: UnitOfWork, ada: Person, tmp_path: Path, staged: bool, algorithm: str
) -> None:
    wheel = make_wheel(tmp_path)
    right = {
        name: getattr(factories.artifact_of(wheel), name)
        for name in ("md5", "sha256", "blake2_256")
    }
    wrong = right | {algorithm: "0" * len(right[algorithm])}
    sentence = refused(uow, WrongDigest, ada, wheel, staged=staged, digests=wrong)
    assert f"({algorithm}) does not match" in sentence
    shouted = {name: digest.upper() for name, digest in right.items()}
    assert _upload(uow, ada, wheel, staged=staged, digests=shouted).changed


# Drafts in the way


def test_an_upload_that_forgets_the_flag_does_not_pass_an_open_draft(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    draft = factories.stage(uow, ada, make_wheel(tmp_path))
    for path in (
        make_sdist(tmp_path),
        make_wheel(tmp_path),
        make_sdist(tmp_path, version="1.0.0"),
    ):
        sentence = refused(uow, DraftIsOpen, ada, path, staged=False)
        assert "A draft of example 1.0 is open" in sentence
        assert "publish" in sentence
        assert draft.slug not in sentence


def test_a_draft_of_another_version_is_in_nobodys_way(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    factories.stage(uow, ada, make_wheel(tmp_path))
    factories.publish_directly(uow, "example")
    factories.upload(uow, ada, make_wheel(tmp_path, version="1.1"), staged=False)
    assert factories.public_filenames(uow, "example") == ["example-1.1-py3-none-any.whl"]


def test_a_project_that_wants_drafts_refuses_to_publish_directly(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path
) -> None:
    projects.change_settings(uow, ada, project, ProjectSettings(False))
    sdist = make_sdist(tmp_path)
    sentence = refused(uow, DraftsOnly, ada, sdist, staged=False)
    assert "'example' publishes through drafts only" in sentence
    assert "Upload this file as a draft" in sentence
    assert factories.upload(uow, ada, sdist, staged=True).opened


# The release


@BOTH_WAYS
def test_a_release_that_is_closed(
    uow: UnitOfWork, ada: Person, project: Project, tmp_path: Path, staged: bool
) -> None:
    late = replace(uow, now=uow.now + timedelta(days=14, seconds=1))
    sentence = refused(late, ReleaseClosed, ada, make_sdist(tmp_path), staged=staged)
    assert "takes no more files" in sentence
    assert factories.upload(late, ada, make_sdist(tmp_path, version="1.1"), staged=staged).changed


@BOTH_WAYS
def test_a_second_source_distribution(
    uow: UnitOfWork, ada: Person, tmp_path: Path, staged: bool
) -> None:
    factories.release(uow, ada, make_sdist(tmp_path))
    other = make_sdist(tmp_path, version="1.0.0")
    sentence = refused(uow, SecondSdist, ada, other, staged=staged)
    assert "Only one source distribution" in sentence


def test_a_second_source_distribution_in_a_draft(
    uow: UnitOfWork, ada: Person, tmp_path: Path
) -> None:
    factories.stage(uow, ada, make_sdist(tmp_path))
    refused(uow, SecondSdist, ada, make_sdist(tmp_path, version="1.0.0"), staged=True)


# The archive


@BOTH_WAYS
def test_a_file_that_is_no_distribution(
    uow: UnitOfWork, ada: Person, tmp_path: Path, staged: bool
) -> None:
    garbage = tmp_path / "example-1.0-py3-none-any.whl"
    garbage.write_bytes(b"garbage")
    sentence = refused(uow, InvalidFile, ada, garbage, staged=staged)
    assert sentence.startswith("Invalid distribution file. ")


@BOTH_WAYS
@pytest.mark.parametrize(
    ("claims", "about"),
    [
        ({"version": Version("2.0")}, "the uploader says 2.0"),
        ({"name": "other"}, "the uploader says 'other'"),
        ({"packagetype": "sdist"}, "the uploader says 'sdist'"),
    ],
)
def test_a_file_that_is_not_what_the_form_says(
    uow: UnitOfWork,
    ada: Person,
    tmp_path: Path,
    staged: bool,
    claims: dict[str, object],
    about: str,
) -> None:
    sentence = refused(uow, InvalidFile, ada, make_wheel(tmp_path), staged=staged, **claims)
    assert about in sentence


def test_every_reason_is_told(uow: UnitOfWork, ada: Person, tmp_path: Path) -> None:
    with pytest.raises(InvalidFile) as caught:
        _upload(
            uow,
            ada,
            make_wheel(tmp_path),
            staged=True,
            version=Version("2.0"),
            name="other",
        )
    assert len(caught.value.details) == 2


@BOTH_WAYS
def test_what_only_a_private_index_takes(
    uow: UnitOfWork, ada: Person, tmp_path: Path, staged: bool
) -> None:
    wheel = make_wheel(tmp_path, tag="py3-none-linux_x86_64")
    refused(uow, InvalidFile, ada, wheel, staged=staged)
    private = with_settings(uow, policy="private")
    assert factories.upload(private, ada, wheel, staged=staged).changed


# The order of the checks

FAULTS: list[tuple[str, type[Refusal]]] = [
    ("stranger", NotAllowed),
    ("too many", TooMany),
    ("large file", TooLarge),
    ("large project", TooLarge),
    ("wrong digest", WrongDigest),
    ("used name", FileExists),
    ("open draft", DraftIsOpen),
    ("drafts only", DraftsOnly),
    ("closed release", ReleaseClosed),
    ("second sdist", SecondSdist),
    ("garbage", InvalidFile),
]


@pytest.mark.parametrize("first", range(len(FAULTS)), ids=[name for name, _ in FAULTS])
def test_the_first_check_that_fails_answers(
    uow: UnitOfWork, ada: Person, eve: Person, tmp_path: Path, first: int
) -> None:
    """An upload with this fault and all that come after it is refused for this one."""
    faults = {name for name, _ in FAULTS[first:]}
    path = make_sdist(tmp_path / "upload", version="1.0.0")
    if "garbage" in faults:
        path.write_bytes(b"garbage")
    project = factories.release(uow, ada, make_wheel(tmp_path))
    if "second sdist" in faults:
        factories.release(uow, ada, make_sdist(tmp_path))
    if "used name" in faults:
        uow.db.add(PublishedName(filename=path.name, sha256="0" * 64))
    if "open draft" in faults:
        wheel = make_wheel(tmp_path, tag="py2-none-any")
        factories.stage(replace(uow, now=uow.now + timedelta(days=10)), ada, wheel)
    if "drafts only" in faults:
        projects.change_settings(uow, ada, project, ProjectSettings(False))
    if "closed release" in faults:
        uow = replace(uow, now=uow.now + timedelta(days=15))
    if "too many" in faults:
        factories.release(uow, ada, make_wheel(tmp_path, "another"))
        uow = with_settings(uow, uploads_per_hour=1)
    if "large project" in faults:
        uow = with_settings(uow, max_project_size=1)
    if "large file" in faults:
        uow = with_settings(uow, max_file_size=1)
    digests = {"sha256": "0" * 64} if "wrong digest" in faults else {}
    user = eve if "stranger" in faults else ada
    name, kind = FAULTS[first]
    sentence = refused(uow, kind, user, path, staged=False, digests=digests)
    if kind is TooLarge:
        assert sentence.startswith(f"{name.split()[1].title()} ")


# The world between looking and acting


@pytest.fixture
def arrived(services: Services, tmp_path: Path) -> Callable[[bool], Accepted]:
    """Accepts a sdist of `example` 1.0 that was checked and examined before something happened."""
    sdist = make_sdist(tmp_path / "arriving")

    def accept(staged: bool) -> Accepted:
        with services.writing() as uow:
            actor = Person(accounts.get_user(uow.db, "ada"))
            artifact, claims = factories.artifact_of(sdist), factories.claims_of(sdist)
            distribution = uploads.examine(uow.settings, artifact, claims)
            return uploads.accept(uow, actor, artifact, claims, distribution, staged=staged)

    return accept


@BOTH_WAYS
def test_accepting_checks_again(
    services: Services, tmp_path: Path, arrived: Callable[[bool], Accepted], staged: bool
) -> None:
    with services.writing() as uow:
        factories.make_user(uow, "ada")
        eve = Person(factories.make_user(uow, "eve"))
        factories.release(uow, eve, make_wheel(tmp_path))
    with pytest.raises(NotAllowed):
        arrived(staged)
    with services.reading() as uow:
        assert factories.public_filenames(uow, "example") == ["example-1.0-py3-none-any.whl"]


@BOTH_WAYS
def test_bytes_that_went_meanwhile_are_kept_again(
    services: Services, arrived: Callable[[bool], Accepted], staged: bool
) -> None:
    with services.writing() as uow:
        factories.make_user(uow, "ada")
    assert list(services.storage.digests()) == []
    arrived(staged)
    with services.reading() as uow:
        file = uow.db.scalars(select(File)).one()
        assert {file.sha256, file.metadata_sha256} == set(services.storage.digests())


def test_what_fell_due_and_was_not_swept_is_in_nobodys_way(
    services: Services, clock: FakeClock, tmp_path: Path
) -> None:
    """Neither its source distribution, nor its bytes, nor the draft, nor the name."""
    with services.writing() as uow:
        ada = Person(factories.make_user(uow, "ada"))
        factories.make_user(uow, "eve")
        factories.release(uow, ada, make_wheel(tmp_path, version="0.9"))
        draft = factories.stage(uow, ada, make_sdist(tmp_path))
        limit = projects.size(uow, projects.get(uow, "example"))
        clock.advance(draft.expires - clock.now)
    sdist = make_sdist(tmp_path, version="1.0.0")
    settings = replace(services.settings, max_project_size=limit + sdist.stat().st_size - 1)
    with replace(services, settings=settings).writing() as uow:
        ada = Person(accounts.get_user(uow.db, "ada"))
        assert factories.upload(uow, ada, sdist, staged=False).published
    with services.reading() as uow:
        assert factories.public_filenames(uow, "example") == [
            "example-0.9-py3-none-any.whl",
            "example-1.0.0.tar.gz",
        ]
