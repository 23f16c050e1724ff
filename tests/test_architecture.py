"""The architecture, read from the source: which part may import which, and what stands where."""

import ast
import graphlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

import greenroom
from greenroom import paths
from greenroom.web.application import PARTS

PACKAGE = Path(greenroom.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# What everything may be made of.
FOR_ALL = {"values"}

# What each floor may import of the program, besides that and itself. Entry points, and what starts
# them, may import everything.
MAY_IMPORT = {
    "registry": {
        "distributions",
        "openid",
        "storage",
        "models",
        "database",
        "settings",
        "trusted_issuers",
        "core_metadata",
        "counts",
        "digests",
        "networks",
        "times",
        "purge_client",
        "webhook_client",
        "outages",
        "other_indexes",
        "name_patterns",
        "selections",
        "counters",
        "upstream_settings",
    },
    "outages": {"openid", "other_indexes", "storage"},
    "other_indexes": {"connections", "spare_memory", "times", "upstream_settings", "__init__"},
    "c_library": set(),
    "spare_memory": {"c_library"},
    "upstream_settings": set(),
    "services": {"registry", "database", "storage", "settings"},
    "importing": {"registry", "distributions", "other_indexes", "settings", "__init__"},
    "digests": set(),
    "distributions": {"core_metadata", "counts", "digests"},
    "openid": set(),
    "storage": {"c_library"},
    "models": {"core_metadata"},
    "database": {"models", "paths", "settings", "unread"},
    "core_metadata": set(),
    "times": set(),
    "counts": set(),
    "networks": set(),
    "purge_client": set(),
    "smtp_client": set(),
    "connections": {"networks"},
    "webhook_client": {"connections"},
    "logs": {"redaction", "settings"},
    "redaction": set(),
    "request_notes": set(),
    "counters": set(),
    "metrics_folder": set(),
    "forwarding": {"settings"},
    "settings": {
        "openid",
        "selections",
        "settings_sources",
        "trusted_issuers",
        "upstream_settings",
    },
    "selections": {"name_patterns"},
    "name_patterns": set(),
    "trusted_issuers": {"openid"},
    "settings_sources": set(),
    "paths": set(),
    "values": set(),
    "unread": set(),
    "__init__": set(),
}
ENTRY_POINTS = {
    *("web", "cli", "background", "mailing", "webhooks", "server", "metrics", "watching"),
    "__main__",
}
FRAMEWORKS = {
    "pyramid",
    "pyramid_jinja2",
    "pyramid_tm",
    "webob",
    "wtforms",
    "zope",
    "jinja2",
    "click",
    "gunicorn",
}
BELOW_THE_ENTRY_POINTS = (
    *(
        "importing",
        "registry",
        "distributions",
        "openid",
        "storage",
        "models",
        "database",
        "settings",
    ),
)

# The audiences of web/, each with its parts.
AUDIENCES = ("index", "uploads", "pages", "operators")


def name_of(path: Path) -> str:
    """A module's dotted name inside the package: `web.simple.views`, `web.simple`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def floor_of(module: str) -> str:
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


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imported(path: Path) -> frozenset[str]:
    module = name_of(path)
    return frozenset(imports(parsed(path), module, is_package=path.name == "__init__.py"))


@cache
def own_imports(path: Path) -> frozenset[str]:
    """What a module imports of this program, by the names inside the package."""
    return frozenset(own(imported(path)))


def own(names: Iterable[str]) -> set[str]:
    """Those of the names that are of this program, inside the package."""
    inside = {name.removeprefix("greenroom.") for name in names if name.startswith("greenroom.")}
    # `from greenroom import __version__` is an import of the package itself.
    return {name for name in inside if not name.startswith("__version__")}


def found(
    look: Callable[[Path], Collection[object]], modules: Iterable[Path] = MODULES
) -> dict[str, Collection[object]]:
    """What is found in the modules, by the name of the module, where anything is."""
    return {name_of(path): wrong for path in modules if (wrong := look(path))}


def below_the_entry_points() -> list[Path]:
    return [path for path in MODULES if floor_of(name_of(path)) in BELOW_THE_ENTRY_POINTS]


def test_what_few_people_need_is_imported_when_it_is_needed() -> None:
    """To check a passkey or to draw a picture takes libraries that take time and memory."""
    seldom = {"cryptography", "fido2", "pyotp", "segno"}

    def look(path: Path) -> set[str]:
        at_once = [
            node for node in parsed(path).body if isinstance(node, ast.Import | ast.ImportFrom)
        ]
        names = imports(ast.Module([*at_once], []), name_of(path), is_package=False)
        return {name for name in names if name.split(".")[0] in seldom}

    assert found(look) == {}


def test_everything_has_a_floor() -> None:
    assert {floor_of(name_of(path)) for path in MODULES} <= {*MAY_IMPORT, *ENTRY_POINTS}


def test_imports_go_down() -> None:
    def climbing(path: Path) -> set[str]:
        floor = floor_of(name_of(path))
        if floor not in MAY_IMPORT:
            return set()
        allowed = MAY_IMPORT[floor] | FOR_ALL | {floor}
        return {name for name in own_imports(path) if floor_of(name) not in allowed}

    assert found(climbing) == {}


def test_no_framework_of_the_entry_points_comes_below_them() -> None:
    def frameworks(path: Path) -> set[str]:
        return {name.split(".")[0] for name in imported(path)} & FRAMEWORKS

    assert found(frameworks, below_the_entry_points()) == {}


KNOWN = {name_of(path) for path in MODULES}


def module_of(name: str) -> str | None:
    """The module of the program that an imported name is, or is in."""
    return name if name in KNOWN else next(iter({name.rpartition(".")[0]} & KNOWN), None)


def test_nothing_imports_in_a_circle() -> None:
    """Not for type annotations either: what is imported for the type checker alone counts."""
    graph = {
        name_of(path): {
            module
            for name in own_imports(path)
            if (module := module_of(name)) is not None and module != name_of(path)
        }
        for path in MODULES
    }
    order = graphlib.TopologicalSorter(graph)
    order.prepare()  # raises graphlib.CycleError, which names the circle


# The parts of web/


@cache
def parts() -> frozenset[str]:
    """The folders of the audiences: ``web.index.simple`` and so on."""
    return frozenset(
        f"web.{audience}.{path.parent.name}"
        for audience in AUDIENCES
        for path in (PACKAGE / "web" / audience).glob("*/__init__.py")
    )


def part_of(name: str) -> str | None:
    """The part that a module belongs to."""
    start = ".".join(name.split(".")[:3])
    return start if start in parts() else None


def audience_of(name: str) -> str | None:
    match name.split("."):
        case ["web", audience, *_] if audience in AUDIENCES:
            return audience
    return None


def test_no_part_imports_another() -> None:
    def others(path: Path) -> set[str]:
        used = {part for name in own_imports(path) if (part := part_of(name)) is not None}
        return used - {part_of(name_of(path))}

    assert found(others) == {}


def test_no_audience_imports_another() -> None:
    def others(path: Path) -> set[str]:
        used = {whose for name in own_imports(path) if (whose := audience_of(name)) is not None}
        return used - {audience_of(name_of(path))}

    assert found(others) == {}


def test_the_application_names_every_part() -> None:
    assert parts() <= {f"web.{part}" for part in PARTS}


def test_every_part_is_included_and_has_views() -> None:
    folders = {part: PACKAGE.joinpath(*part.split(".")) for part in parts()}
    including = {
        part
        for part, folder in folders.items()
        if "def includeme(config: Configurator)" in (folder / "__init__.py").read_text()
    }
    with_views = {
        part
        for part, folder in folders.items()
        if any("@view_config" in path.read_text() for path in folder.glob("*.py"))
    }
    assert including == with_views == parts()


# Addresses

_FIRST_SEGMENTS = (
    "account|admin|api|draft|help|legacy|manage|packages|project|pypi|rss|search|simple|static"
    "|upload|user"
)
_ADDRESS = re.compile(rf"(^|[^\w<`.])/({_FIRST_SEGMENTS})(/|$|[?#])|sitemap\.xml\?|[?]staged=")


def texts_in(tree: ast.AST) -> list[str]:
    """The texts in a tree, other than docstrings."""
    documentation = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documentation
    ]


def addresses_in(tree: ast.AST) -> list[str]:
    """Those of the texts that have an address of the application."""
    return [text for text in texts_in(tree) if _ADDRESS.search(text)]


def test_only_one_module_writes_addresses() -> None:
    others = [
        path
        for path in MODULES
        if name_of(path) != "web.http.urls" and floor_of(name_of(path)) != "registry"
    ]
    assert found(lambda path: addresses_in(parsed(path)), others) == {}


def test_no_sentence_below_the_entry_points_speaks_of_theirs() -> None:
    def speaking(path: Path) -> list[str]:
        texts = texts_in(parsed(path))
        return [text for text in texts if re.search(r"upload URL|manage page|[?]\w+=", text)]

    assert found(speaking, below_the_entry_points()) == {}


def test_that_module_does() -> None:
    assert "?staged=true" in addresses_in(parsed(PACKAGE / "web/http/urls.py"))


@pytest.mark.parametrize(
    "source",
    [
        'f"{base}/draft/{slug}/"',
        'said = "see /manage/project/example/"',
        'said = "put ?staged=true behind the URL"',
        'url + "/legacy/"',
        'first = "/simple"',
    ],
)
def test_addresses_are_noticed(source: str) -> None:
    assert addresses_in(ast.parse(source)) != []


def test_no_template_writes_an_address() -> None:
    written = {
        path.relative_to(paths.TEMPLATES).as_posix(): addresses
        for path in paths.TEMPLATES.rglob("*.jinja2")
        if (addresses := re.findall(r'(?:href|action|src)="(/[^"]*)"', path.read_text()))
    }
    assert written == {}


def test_a_name_says_what_is_inside() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
    assert found(lambda path: set(name_of(path).split(".")) & vague) == {}


# What takes memory, and most processes never need.


def imported_at_once(path: Path) -> set[str]:
    """What a module imports when it is imported, and not only when something in it is called."""
    tree = ast.Module([node for node in parsed(path).body if not isinstance(node, ast.If)], [])
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    outside = ast.Module([node for node in ast.walk(tree) if id(node) not in inside
                          and isinstance(node, ast.Import | ast.ImportFrom)], [])  # fmt: skip
    return set(imports(outside, name_of(path), is_package=path.name == "__init__.py"))


def test_what_checks_signatures_is_imported_when_there_is_one() -> None:
    def users(*names: str) -> set[str]:
        return {
            name_of(path)
            for path in MODULES
            if any(f"{found}.".startswith(names) for found in imported_at_once(path))
        }

    assert users("joserfc.", "cryptography.", "jwt.") == {"openid.keys"}
    assert users("greenroom.openid.keys.", "greenroom.openid.fetching.") == set()


# Inside the storage and the server.


def users_of(module: str) -> set[str]:
    """The modules that import a module of the program, or something in it."""
    return {
        name_of(path)
        for path in MODULES
        if any(f"{name}.".startswith(f"{module}.") for name in own_imports(path))
    }


def used_by(module: str) -> set[str]:
    return own(imported(PACKAGE.joinpath(*module.split(".")).with_suffix(".py")))


def test_what_a_storage_can_do_is_said_without_any_storage() -> None:
    assert used_by("storage.blobs") == set()


def test_signatures_know_nothing_of_the_storage_that_needs_them() -> None:
    assert used_by("storage.sigv4") == set()
    assert users_of("storage.sigv4") == {"storage.s3"}


def test_one_storage_does_not_know_the_other() -> None:
    assert users_of("storage.local") == {"storage", "storage.open"}
    assert users_of("storage.s3") == {"storage", "storage.open"}


def test_the_registry_does_not_know_where_files_are_imported_from() -> None:
    assert users_of("importing") <= {"cli.import_command", *(m for m in KNOWN if is_importing(m))}


def test_only_one_module_fetches_what_is_imported() -> None:
    fetching = {
        name_of(path)
        for path in MODULES
        if is_importing(name_of(path))
        and any(name.split(".")[0] in ("urllib3", "http", "socket") for name in imported(path))
    }
    assert fetching == {"importing.fetching"}


def test_one_source_of_an_import_does_not_know_another() -> None:
    shared = {"importing.sources", "importing.sources.local_files", "importing.sources.open"}
    kinds = {name for name in KNOWN if name.startswith("importing.sources")} - shared
    assert {user for kind in kinds for user in users_of(kind)} == {"importing.sources.open"}


def is_importing(module: str) -> bool:
    return floor_of(module) == "importing"


def test_only_processes_and_connections_know_gunicorn() -> None:
    knowing = {name_of(path) for path in MODULES if any(is_gunicorn(n) for n in imported(path))}
    assert knowing == {"server.connection", "server.environ", "server.worker"}


def is_gunicorn(name: str) -> bool:
    return name.split(".")[0] == "gunicorn"


def test_the_server_is_supervised_by_what_is_started() -> None:
    starting = {"__main__", "cli", "cli.opening", "cli.serving"}
    supervised = {"server.serve", "server.loader", "server.worker"}
    assert users_of("server.supervisor") == starting | supervised
    assert users_of("server.loader") == {"server.serve"}


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


def test_only_the_catalogue_decides_what_is_public() -> None:
    others = [
        path for path in MODULES if not name_of(path).startswith(("registry.catalogue", "models"))
    ]
    assert found(lambda path: conditions_on_published(parsed(path)), others) == {}


def test_the_catalogue_does() -> None:
    catalogue = PACKAGE / "registry" / "catalogue.py"
    assert len(conditions_on_published(parsed(catalogue))) >= 2


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
        "release.published = uow.now",
        "fresh = release.published + window > uow.now",
        "Accepted(draft, published=True)",
        "state = DraftState.PUBLISHED",
        "published = {release.published for release in releases}",
    ],
)
def test_questions_to_what_was_loaded_are_not(source: str) -> None:
    assert conditions_on_published(ast.parse(source)) == []


TESTS = Path(__file__).parent
STARTS = {
    "subprocess": re.compile(r"Popen|run|call|check_\w+|get\w+"),
    "os": re.compile(r"fork\w*|spawn\w+|posix_spawn\w*|system|popen|exec\w+"),
    "pty": re.compile(r"fork|spawn"),
    "asyncio": re.compile(r"create_subprocess_\w+"),
    "multiprocessing": re.compile(r"\w+"),
    "concurrent.futures": re.compile(r"ProcessPoolExecutor"),
}
# What makes processes for all others; and a script that no test runs.
MAY_START = {"processes.py", "preloaded.py", "importing/make_devpi_export.py"}


def started(tree: ast.AST) -> Iterator[str]:
    """What a module uses that starts processes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            place = ast.unparse(node.value)
            if place in STARTS and STARTS[place].fullmatch(node.attr):
                yield f"{place}.{node.attr}"
        if isinstance(node, ast.ImportFrom) and node.module in STARTS:
            for alias in node.names:
                if STARTS[node.module].fullmatch(alias.name):
                    yield f"{node.module}.{alias.name}"


def test_tests_start_processes_in_the_one_way_that_looks_through_their_logs() -> None:
    found = {
        path.relative_to(TESTS).as_posix(): sorted(set(started(ast.parse(path.read_text()))))
        for path in sorted(TESTS.rglob("*.py"))
    }
    assert {name: uses for name, uses in found.items() if uses and name not in MAY_START} == {}
    assert all(found[name] for name in MAY_START)


@pytest.mark.parametrize(
    "code",
    [
        "import subprocess; subprocess.run(['x'])",
        "from subprocess import check_output",
        "os.fork()",
        "from concurrent.futures import ProcessPoolExecutor",
        "multiprocessing.Process(target=f)",
        "start = os.posix_spawnp",
    ],
)
def test_each_way_to_start_a_process_is_noticed(code: str) -> None:
    assert list(started(ast.parse(code)))
