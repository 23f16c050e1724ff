"""Mirrors: bandersnatch copies the whole index and then what is new; devpi-server passes it on.

devpi-server also has indexes of its own, and pushes what was tried there to ours.
"""

import hashlib
import sys
import zipfile
from pathlib import Path

import pytest

from greenroom.registry import drafts, journal
from greenroom.registry.unit_of_work import Services
from tests import factories
from tests.artifacts import make_sdist, make_wheel
from tests.clients import guide, maintainer
from tests.clients.peers import devpi, devpi_server
from tests.serving import Server


def last_serial(beside: Services) -> int:
    with beside.reading() as uow:
        return journal.last_serial(uow.db)


def install(server: Server, index_url: str, requirement: str, folder: Path) -> None:
    server.run(
        sys.executable, "-m", "pip", "install", "--target", str(folder), requirement,
        environment={"PIP_INDEX_URL": index_url},
    )  # fmt: skip


class Mirror:
    """A copy of the index by bandersnatch, as the guide says."""

    def __init__(
        self, server: Server, folder: Path, api: str, section: guide.Section | None = None
    ) -> None:
        self.server = server
        self.folder = folder
        section = section or guide.section("Mirroring", "bandersnatch", url=server.url)
        [(name, configuration)] = section.files.items()
        self.commands = section.commands
        lines = [
            configuration.replace("/srv/mirror", str(folder)),
            "allow-non-https = true",
            f"api-method = {api}",
            f"diff-file = {folder / 'changed'}\n",
        ]
        guide.write({name: "\n".join(lines)}, home=folder, folder=folder)

    def update(self) -> None:
        """Mirror what is not there yet."""
        guide.type_in(
            self.server, self.commands, home=self.folder, folder=self.folder,
            # It would use a proxy for addresses that need none, too.
            HTTP_PROXY="",
            HTTPS_PROXY="",
        )  # fmt: skip

    @property
    def serial(self) -> int:
        return int((self.folder / "status").read_text())

    @property
    def changed(self) -> set[str]:
        """The projects of which the last run wrote something."""
        lines = (self.folder / "changed").read_text().splitlines()
        pages = [Path(line) for line in lines if line.endswith("index.html")]
        return {page.parent.name for page in pages} - {"simple"}

    def projects(self) -> list[str]:
        return sorted(path.name for path in self.simple.iterdir() if path.is_dir())

    @property
    def simple(self) -> Path:
        return self.folder / "web" / "simple"

    def digests(self) -> dict[str, str]:
        """Every copied file."""
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in self._copied()
            if path.suffix != ".metadata"
        }

    def metadata(self) -> dict[str, bytes]:
        """The metadata that were copied beside wheels, by the names of those."""
        return {path.stem: path.read_bytes() for path in self._copied(".metadata")}

    def _copied(self, ending: str = "") -> list[Path]:
        found = (self.folder / "web" / "packages").rglob(f"*{ending}")
        return [path for path in found if path.is_file()]


@pytest.mark.parametrize("api", ["xmlrpc", "simple"])
def test_bandersnatch_mirrors_everything_and_then_what_is_new(
    server: Server, beside: Services, tmp_path: Path, api: str
) -> None:
    maintainer.join(beside)
    dist = tmp_path / "dist"
    still = [make_sdist(dist, "still"), make_wheel(dist, "still")]
    moving, staged = make_wheel(dist, "moving", "1.0"), make_wheel(dist, "moving", "2.0")
    going = make_wheel(dist, "going")
    maintainer.release(beside, *still)
    maintainer.release(beside, moving)
    maintainer.release(beside, going)
    maintainer.stage(beside, staged)
    mirror = Mirror(server, tmp_path / "mirror", api)

    mirror.update()

    assert mirror.projects() == ["going", "moving", "still"]
    assert mirror.digests() == digests(*still, moving, going)
    assert mirror.serial == last_serial(beside)

    maintainer.remove(beside, "going")
    maintainer.publish(beside, "moving", "2.0")
    mirror.update()

    assert mirror.changed == {"moving"}
    assert mirror.digests() == digests(*still, moving, staged, going)
    assert mirror.metadata() == (
        metadata(still[1], moving, staged, going) if COPIES_METADATA else {}
    )
    assert mirror.serial == last_serial(beside)
    install(server, mirror.simple.as_uri(), "moving", tmp_path / "installed")
    assert (tmp_path / "installed" / "moving-2.0.dist-info").is_dir()


# From 8 on, which needs this.
COPIES_METADATA = sys.version_info >= (3, 12)


def metadata(*wheels: Path) -> dict[str, bytes]:
    found = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            [name] = [name for name in archive.namelist() if name.endswith("/METADATA")]
            found[wheel.name] = archive.read(name)
    return found


def digests(*files: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_devpi_server_passes_on_what_is_published(
    server: Server, beside: Services, tmp_path: Path
) -> None:
    maintainer.join(beside)
    dist = tmp_path / "dist"
    maintainer.release(beside, make_sdist(dist, "moving", "1.0"), make_wheel(dist, "moving", "1.0"))
    maintainer.stage(beside, make_wheel(dist, "moving", "2.0"))

    with devpi_server(server, tmp_path) as devpi_url:
        simple = f"{devpi_url}/root/greenroom/+simple/"
        section = guide.section("Mirroring", "devpi-server", url=server.url)
        commands = section.commands_of("devpi")
        guide.type_in(server, commands, home=server.home, folder=tmp_path)
        install(server, simple, "moving", tmp_path / "before")
        maintainer.publish(beside, "moving", "2.0")
        devpi(server, "refresh", "moving")
        install(server, simple, "moving", tmp_path / "after")

    for folder, version in (("before", "1.0"), ("after", "2.0")):
        assert (tmp_path / folder / f"moving-{version}.dist-info").is_dir()


PLATFORMS = ("py3-none-any", "py2.py3-none-win_amd64", "cp311-abi3-manylinux_2_17_x86_64",
             "cp313-cp313-macosx_11_0_arm64")  # fmt: skip


def test_devpi_pushes_what_was_tried_there(
    server: Server, beside: Services, tmp_path: Path
) -> None:
    """An sdist and four kinds of wheel: of one version in public, of the next into a draft."""
    token = maintainer.join(beside)
    releases = {
        version: [
            make_sdist(tmp_path / "dist", "pushed", version),
            *(make_wheel(tmp_path / "dist", "pushed", version, tag=tag) for tag in PLATFORMS),
        ]
        for version in ("1.0", "2.0")
    }

    with devpi_server(server, tmp_path) as url:
        section = guide.section("Uploading", "devpi", url=server.url, token=token, project="pushed")
        guide.write(section.files, home=server.home, folder=tmp_path)
        devpi(server, "index", "--create", "root/tried", "volatile=True")
        devpi(server, "use", f"{url}/root/tried")
        devpi(server, "upload", *(str(path) for paths in releases.values() for path in paths))
        guide.type_in(server, section.commands, home=server.home, folder=tmp_path)

    with beside.reading() as uow:
        assert sorted(factories.public_filenames(uow, "pushed")) == sorted(
            path.name for path in releases["1.0"]
        )
        draft = factories.find_draft(uow, "pushed", "2.0")
        assert draft is not None
        staged = [file.filename for file in drafts.files(uow.db, draft)]
        assert sorted(staged) == sorted(path.name for path in releases["2.0"])
