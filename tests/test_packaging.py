"""The wheel of this project has everything in it, and runs where there is no checkout."""

import sys
import zipfile
from pathlib import Path

import pytest

from greenroom.web.pages.help import markdown
from tests import processes
from tests.serving import plain_environment, serving

CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, built as for a release."""
    folder = tmp_path_factory.mktemp("wheel")
    processes.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder)],
        cwd=CHECKOUT,
        env=plain_environment(folder / "home"),
        check=True,
    )
    [built] = folder.glob("*.whl")
    return built


@pytest.mark.parametrize("folder", ["templates", "migrations", "src/greenroom/web/pages/static"])
def test_the_wheel_has_the_files_that_are_not_python(wheel: Path, folder: str) -> None:
    files = {
        path.relative_to(CHECKOUT / folder).as_posix()
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    inside = "greenroom/" + folder.removeprefix("src/greenroom/")
    with zipfile.ZipFile(wheel) as archive:
        packed = {
            name.removeprefix(f"{inside}/")
            for name in archive.namelist()
            if name.startswith(f"{inside}/")
        }

    assert files
    assert packed == files


def test_the_wheel_has_the_pages_of_help(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("greenroom/docs/")}

    assert packed == {f"greenroom/docs/{name}.md" for name in markdown.NAMES}


def test_the_wheel_serves_pages_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)

    # Ahead of the checkout, which the editable installation puts at the end of the path.
    with serving(tmp_path, settings={"PYTHONPATH": str(installed)}) as server:
        loaded = server.run(
            sys.executable, "-c", "import greenroom.paths as p; print(p.TEMPLATES, p.MIGRATIONS)",
            environment={"PYTHONPATH": str(installed)},
        )  # fmt: skip

        assert server.get("/").status == 200
        assert server.get("/account/login").status == 200
        assert server.get("/help/errors/").status == 200
    assert loaded.stdout.split() == [
        str(installed / "greenroom" / "templates"),
        str(installed / "greenroom" / "migrations"),
    ]
