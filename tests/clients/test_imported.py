"""What was imported as it was in its time is installed as it ever was."""

import sys
import tarfile
from pathlib import Path

from tests.artifacts import make_sdist, zip_of
from tests.importing.historical_files import all_of_them
from tests.serving import Server, serving

WHEELS = ("record-md5", "dotted-wheel", "local-wheel", "commented-zip")


def test_pip_installs_old_files_from_an_index_that_imported_them(tmp_path: Path) -> None:
    """Wheels with old RECORDs, names and versions, and a source distribution in a zip archive."""
    folder = tmp_path / "old"
    folder.mkdir()
    for odd in all_of_them():
        if odd.project in WHEELS:
            (folder / odd.filename).write_bytes(odd.content)
    write_zipped_sdist(folder, "Zipped.Source")
    with serving(tmp_path, workers=1) as server:
        server.user("ada")
        said = server.greenroom("import", str(folder), "--owner", "ada", "--historical")
        assert "historical: 5" in said
        target = tmp_path / "target"
        install(server, target, *WHEELS, "zipped-source")

    for name in (*WHEELS, "zipped-source"):
        assert (target / name.replace("-", "_") / "__init__.py").is_file()


def write_zipped_sdist(folder: Path, name: str) -> None:
    """As it was made before there was a rule for how it is called."""
    made = make_sdist(folder / "made", name)
    with tarfile.open(made) as archive:
        files = {
            f"{name}-1.0/{member.name.partition('/')[2]}": content.read()
            for member in archive
            if (content := archive.extractfile(member)) is not None
        }
    (folder / f"{name}-1.0.zip").write_bytes(zip_of(files))
    made.unlink()


def install(server: Server, target: Path, *names: str) -> None:
    server.run(
        *(sys.executable, "-m", "pip", "install", "--no-deps", "--no-cache-dir"),
        *("--target", str(target), "--index-url", f"{server.url}/simple/", *names),
    )
