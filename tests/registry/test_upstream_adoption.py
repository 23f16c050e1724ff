"""Adopting a release of an upstream: copied to stay, with where it comes from."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace

from greenroom.models import AuditEntry, File, Release, RuleKind
from greenroom.other_indexes.errors import UpstreamUnavailable
from greenroom.registry import (
    catalogue,
    job_handlers,
    projects,
    upstream_adoption,
    upstream_rules,
)
from greenroom.registry.errors import InvalidRequest, NotAllowed, NotFound, WrongDigest
from greenroom.registry.permissions import OPERATOR, Person
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_adoption import Adoption, Order
from greenroom.registry.upstreams import Answering, answering
from greenroom.settings import Settings
from greenroom.upstream_settings import Upstream
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.upstream_server import OtherBytes, Status, UpstreamServer, upstream_running

WHEEL, SDIST = "thing-1.0-py3-none-any.whl", "thing-1.0.tar.gz"


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[UpstreamServer]:
    with upstream_running() as running:
        running.add(make_wheel(tmp_path / "up", "thing", "1.0"))
        running.add(make_sdist(tmp_path / "up", "thing", "1.0"), yanked="Broken.")
        running.add(make_wheel(tmp_path / "up", "thing", "2.0"))
        yield running


@pytest.fixture
def settings(settings: Settings, upstream: UpstreamServer) -> Settings:
    return replace(
        settings,
        upstreams=(Upstream("up", upstream.url),),
        upstream_networks=(ip_network("127.0.0.0/8"),),
        claimed_names=("acme-*",),
    )


@pytest.fixture
def index(services: Services) -> Services:
    with services.writing() as uow:
        factories.make_user(uow, "ada")
    return services


def adopt(index: Services, name: str = "thing", version: str = "1.0") -> Adoption:
    with index.writing() as uow:
        wanted = upstream_adoption.order(uow, OPERATOR, name, version, "ada", "It must not vanish.")
    return upstream_adoption.adopt(index, wanted)


def test_a_release_is_copied_with_all_that_is_said_of_it(
    index: Services, upstream: UpstreamServer
) -> None:
    found = adopt(index, "Thing", "1.0.0")

    assert (found.upstream, sorted(found.taken), found.present) == ("up", [WHEEL, SDIST], ())
    upstream.go_away()
    with index.reading() as uow:
        assert answering(uow, "thing") is Answering.HERE
        project = projects.get(uow, "thing")
        assert [role.user.username for role in project.roles] == ["ada"]
        wheel, sdist = sorted(
            catalogue.listing(uow.db, project).files, key=lambda file: file.filename
        )
        assert wheel.upload_time == datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
        assert (wheel.yanked, sdist.yanked, sdist.yanked_reason) == (False, True, "Broken.")
        release = uow.db.query(Release).one()
        assert release.adopted_from == "up"
        origins = upstream_adoption.origins(uow.db, release.id)
        assert [(each.filename, each.by, each.at) for each in origins] == [
            (WHEEL, "operator", uow.now),
            (SDIST, "operator", uow.now),
        ]
        assert [each.url for each in origins] == [
            upstream.origin + upstream.file(name) for name in (WHEEL, SDIST)
        ]
        assert [each.sha256 for each in origins] == [wheel.sha256, sdist.sha256]
        lines = [line.detail for line in uow.db.query(AuditEntry) if line.act == "release-adopt"]
        assert lines == ["thing 1.0.0, for ada: It must not vanish."]


def test_a_release_that_is_yanked_there_is_yanked_as_a_whole(
    index: Services, upstream: UpstreamServer, tmp_path: Path
) -> None:
    for path in (make_wheel(tmp_path / "up", "thing", "1.0"), make_wheel(tmp_path, "thing", "2.0")):
        upstream.add(path, yanked="Broken.")
    adopt(index)
    adopt(index, version="2.0")

    with index.reading() as uow:
        found = {each.version: (each.yanked, each.yanked_reason) for each in uow.db.query(Release)}
    assert found == {"1.0": (True, "Broken."), "2.0": (True, "Broken.")}


def test_another_version_of_it_can_follow(index: Services, upstream: UpstreamServer) -> None:
    adopt(index)
    assert adopt(index, version="2.0").taken == ("thing-2.0-py3-none-any.whl",)
    assert sorted(adopt(index).present) == [WHEEL, SDIST]


def test_what_is_of_this_index_is_mixed_with_nothing(
    index: Services, upstream: UpstreamServer, tmp_path: Path
) -> None:
    asked = upstream.page("thing")
    with index.writing() as uow:
        ada = Person(factories.make_user(uow, "bob"))
        factories.release(uow, ada, make_wheel(tmp_path, "thing", "9.0"))
    upstream.forget()

    with pytest.raises(InvalidRequest, match="never mixed"):
        adopt(index)
    with pytest.raises(InvalidRequest, match="keeps for its own"):
        adopt(index, "acme-tools")
    assert upstream.asked(asked) == upstream.asked(upstream.page("acme-tools")) == 0


def test_a_name_that_drafts_reserve_is_not_adopted(index: Services) -> None:
    with index.writing() as uow:
        draft = factories.open_new(uow, factories.make_user(uow, "bob"), "thing")
        assert draft.project is not None
        draft.project.found_upstream = "up"

    with pytest.raises(InvalidRequest, match="Drafts reserve"):
        adopt(index)


def test_what_does_not_come_as_it_should_changes_nothing(
    index: Services, upstream: UpstreamServer
) -> None:
    with pytest.raises(NotFound, match="has the project"):
        adopt(index, "nothing")
    with pytest.raises(NotFound, match=r"no files of thing 3\.0"):
        adopt(index, version="3.0")
    upstream.fail(upstream.file(SDIST), OtherBytes())
    with pytest.raises(WrongDigest, match="sha256"):
        adopt(index)
    upstream.fail(upstream.file(SDIST), Status(503))
    with pytest.raises(UpstreamUnavailable, match="was not had from up"):
        adopt(index)
    with index.reading() as uow:
        assert projects.find(uow, "thing") is None
        assert answering(uow, "thing") is Answering.UPSTREAM


def test_a_file_that_is_not_let_in_is_not_adopted(index: Services) -> None:
    strict = Services(
        index.database,
        index.storage,
        replace(index.settings, upstream_wheels_only="true"),
        index.clock,
    )
    with pytest.raises(InvalidRequest, match="only wheels"):
        adopt(strict)


MIT, GPL = ("License-Expression", "MIT"), ("License-Expression", "GPL-3.0-only")
NOT_UNDER = r"thing 5\.0 is under GPL-3\.0-only: this index lets files in from up under MIT"


def licensed(
    index: Services, upstream: UpstreamServer, folder: Path, *licences: Sequence[tuple[str, str]]
) -> Services:
    """An index that lets MIT in, where the upstream has a wheel and an sdist under these.

    It offers no metadata without them.
    """
    wheel, sdist = licences
    made = make_wheel(folder, "thing", "5.0", metadata_extra=wheel, metadata_version="2.4")
    upstream.add(made, with_metadata=False)
    made = make_sdist(folder, "thing", "5.0", metadata_extra=sdist, metadata_version="2.4")
    upstream.add(made)
    changed = {"upstream_licenses": ("MIT",), "upstream_mode": "cache"}
    return replace(index, settings=replace(index.settings, **changed))


@pytest.mark.parametrize("unknown", ["allow", "refuse"])
@pytest.mark.parametrize("licences", [([MIT], [GPL]), ([GPL], [MIT])])
def test_a_licence_is_read_from_what_has_come(
    index: Services,
    upstream: UpstreamServer,
    tmp_path: Path,
    licences: Sequence[Sequence[tuple[str, str]]],
    unknown: str,
) -> None:
    strict = licensed(index, upstream, tmp_path, *licences)
    changed = replace(strict.settings, upstream_unknown_licenses=unknown)
    strict = replace(strict, settings=changed)

    with pytest.raises(InvalidRequest, match=NOT_UNDER):
        adopt(strict, version="5.0")

    with strict.reading() as uow:
        assert projects.find(uow, "thing") is None
        assert answering(uow, "thing") is Answering.UPSTREAM
        assert uow.db.query(File).count() == 0
    # What was found out need not be fetched to be refused again.
    fetched = upstream.asked()
    with pytest.raises(InvalidRequest, match=NOT_UNDER):
        adopt(strict, version="5.0")
    assert upstream.asked() == fetched


def test_a_licence_that_is_let_in_is_adopted_also_where_unknown_ones_are_not(
    index: Services, upstream: UpstreamServer, tmp_path: Path
) -> None:
    strict = licensed(index, upstream, tmp_path, [MIT], [MIT])
    changed = replace(strict.settings, upstream_unknown_licenses="refuse")
    strict = replace(strict, settings=changed)
    assert len(adopt(strict, version="5.0").taken) == 2

    with pytest.raises(InvalidRequest, match="says no licence that can be read"):
        adopt(strict, version="2.0")


def test_administrators_let_in_what_is_under_another_licence(
    index: Services, upstream: UpstreamServer, tmp_path: Path
) -> None:
    strict = licensed(index, upstream, tmp_path, [GPL], [])
    with index.writing() as uow:
        upstream_rules.make(uow, OPERATOR, RuleKind.ALLOW, "thing==5.0", "Our lawyers agree.")

    assert len(adopt(strict, version="5.0").taken) == 2


def test_a_size_that_the_page_does_not_say_counts_once_the_file_is_there(
    index: Services, upstream: UpstreamServer
) -> None:
    upstream.speaks_json = False
    strict = replace(index, settings=replace(index.settings, upstream_max_file_size=100))
    with pytest.raises(InvalidRequest, match="lets files of at most 100 bytes in from up"):
        adopt(strict)


def test_administrators_adopt(index: Services) -> None:
    with index.writing() as uow:
        eve = Person(factories.make_user(uow, "eve"))
        with pytest.raises(NotAllowed):
            upstream_adoption.order(uow, eve, "thing", "1.0", "eve", "Mine.")
        root = Person(factories.make_user(uow, "root", administrator=True))
        with pytest.raises(InvalidRequest, match="Give a reason"):
            upstream_adoption.order(uow, root, "thing", "1.0", "eve")


def test_a_job_does_it_and_writes_down_what_it_cannot_do(index: Services) -> None:
    said = {"project": "thing", "owner": "ada", "by": "root"}
    job_handlers.adopt(index, {**said, "version": "1.0"})
    assert upstream_adoption.carry_out(index, Order("thing", "3.0", "ada", "root")) is None

    with index.reading() as uow:
        assert {each.by for each in upstream_adoption.origins(uow.db, 1)} == {"root"}
        [line] = [line for line in uow.db.query(AuditEntry) if line.act == "release-adopt"]
        assert line.detail == "thing 3.0, not adopted: up has no files of thing 3.0."
