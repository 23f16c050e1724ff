"""The plan of the house, read from the imports: down is allowed, up is not."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import greenroom

PACKAGE = Path(greenroom.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# What each part may import of the program, besides itself. The faces and what starts them stand on
# the top floor and may import everything that is not a face.
MAY_IMPORT = {
    "registry": {"distributions", "storage", "models", "database", "settings"},
    "distributions": set(),
    "storage": set(),
    "models": set(),
    "database": {"models", "paths", "settings"},
    "purging": {"settings"},
    "logs": {"settings"},
    "settings": set(),
    "paths": set(),
    "__init__": set(),
}
TOP_FLOOR = {"web", "cli", "server", "__main__"}
FRAMEWORKS = {
    "pyramid",
    "pyramid_jinja2",
    "pyramid_tm",
    "webob",
    "wtforms",
    "zope",
    "jinja2",
    "click",
}
BELOW_THE_FACES = ("registry", "distributions", "storage", "models", "database", "settings")


def name_of(path: Path) -> str:
    """A module's dotted name inside the package: `web.simple.views`, `web.simple`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    return module.split(".")[0]


def imports(tree: ast.AST, module: str, *, is_package: bool) -> Iterator[str]:
    """The dotted names of everything that a module imports, wherever in it that is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                here = ["greenroom", *module.split(".")]
                above = here[: len(here) - node.level + is_package]
                source = ".".join([*above, *([source] if source else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def imported(path: Path) -> set[str]:
    module = name_of(path)
    is_package = path.name == "__init__.py"
    return set(imports(ast.parse(path.read_text()), module, is_package=is_package))


def own(names: set[str]) -> set[str]:
    """Those of the names that are of this program, inside the package."""
    inside = {name.removeprefix("greenroom.") for name in names if name.startswith("greenroom.")}
    # `from greenroom import __version__` is an import of the package itself.
    return {name for name in inside if not name.startswith("__version__")}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_down(path: Path) -> None:
    part = part_of(name_of(path))
    assert part in MAY_IMPORT or part in TOP_FLOOR, "a new part of the house needs a floor"
    if part in MAY_IMPORT:
        climbing = {
            name for name in own(imported(path)) if part_of(name) not in MAY_IMPORT[part] | {part}
        }
        assert climbing == set()


@pytest.mark.parametrize(
    "path", [path for path in MODULES if part_of(name_of(path)) in BELOW_THE_FACES], ids=name_of
)
def test_no_framework_of_the_faces_comes_below_them(path: Path) -> None:
    assert {name.split(".")[0] for name in imported(path)} & FRAMEWORKS == set()


def faces() -> set[str]:
    return {f"web.{path.parent.name}" for path in (PACKAGE / "web").glob("*/__init__.py")}


def face_of(name: str) -> str | None:
    """The face that a module belongs to."""
    start = ".".join(name.split(".")[:2])
    return start if start in faces() else None


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_face_imports_another(path: Path) -> None:
    module = name_of(path)
    used = {face for name in own(imported(path)) if (face := face_of(name)) is not None}
    if module != "web.application":
        assert used <= {face_of(module)}


def test_there_are_faces() -> None:
    assert {"web.simple", "web.legacy_upload", "web.draft"} <= faces()


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_name_says_what_is_inside(path: Path) -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
    assert set(name_of(path).split(".")) & vague == set()


# Visibility is decided in one place. A condition for the database is an expression of a class
# (`Release.published`), or of something that has the methods of a column; what is asked of a
# release that was loaded is not. The models only say what a row must be like.

_OF_COLUMNS = {"is_", "is_not", "isnot", "asc", "desc", "between", "in_", "label", "isnot_distinct"}


def conditions_on_published(tree: ast.AST) -> list[int]:
    """The lines on which a tree asks the database what is published."""
    expressions = (node for node in ast.walk(tree) if isinstance(node, ast.expr))
    return sorted({node.lineno for node in expressions if _asks_for_published(node)})


def _asks_for_published(node: ast.expr) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr="published"):
            return owner[:1].isupper() and not owner.isupper()
        case ast.Attribute(value=ast.Attribute(attr="published"), attr=method):
            return method in _OF_COLUMNS
        case ast.Compare(left=ast.Attribute(attr="published"), ops=ops, comparators=others):
            nothing = any(
                isinstance(other, ast.Constant) and other.value is None for other in others
            )
            return nothing and any(isinstance(op, ast.Eq | ast.NotEq) for op in ops)
        case ast.Call(func=ast.Attribute(attr="filter_by"), keywords=keywords):
            return any(keyword.arg == "published" for keyword in keywords)
        case ast.Constant(value=str(text)):
            words = " ".join(text.lower().split())
            return "published is null" in words or "published is not null" in words
        case _:
            return False


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if not name_of(path).startswith(("registry.catalogue", "models"))],
    ids=name_of,
)
def test_only_the_catalogue_decides_what_is_public(path: Path) -> None:
    assert conditions_on_published(ast.parse(path.read_text())) == []


def test_the_catalogue_does() -> None:
    catalogue = PACKAGE / "registry" / "catalogue.py"
    assert len(conditions_on_published(ast.parse(catalogue.read_text()))) >= 2


@pytest.mark.parametrize(
    "source",
    [
        "select(Release).where(Release.published.is_not(None))",
        "select(File).where(models.File.published != None)",
        "newer = aliased(Release)\nselect(newer).where(newer.published.is_(None))",
        "r = Release\nquery = r.published == None",
        "session.query(Release).filter_by(published=None)",
        "text('SELECT * FROM releases WHERE published IS  NOT NULL')",
        "select(Release).order_by(Release.published)",
    ],
)
def test_conditions_are_noticed(source: str) -> None:
    assert conditions_on_published(ast.parse(source)) != []


@pytest.mark.parametrize(
    "source",
    [
        "if release.published is None: pass",
        "release.published = index.now",
        "fresh = release.published + window > index.now",
        "Accepted(draft, published=True)",
        "state = DraftState.PUBLISHED",
        "published = {release.published for release in releases}",
    ],
)
def test_questions_to_what_was_loaded_are_not(source: str) -> None:
    assert conditions_on_published(ast.parse(source)) == []
