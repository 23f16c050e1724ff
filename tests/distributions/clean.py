"""A hundred distributions in the shapes that real ones have, with nothing wrong in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from tests.artifacts import make_sdist, make_wheel
from tests.distributions.test_natives import ELF_X86_64, MACH_ARM64, PE_AMD64

Files = Mapping[str, bytes]

LINUX = "manylinux_2_17_x86_64.manylinux2014_x86_64"
MUSL = "musllinux_1_2_x86_64"
MAC = "macosx_11_0_arm64"
WINDOWS = "win_amd64"
_MODULES = {
    LINUX: ("x86_64-linux-gnu.so", ELF_X86_64),
    MUSL: ("x86_64-linux-musl.so", ELF_X86_64),
    MAC: ("darwin.so", MACH_ARM64),
    WINDOWS: ("win_amd64.pyd", PE_AMD64),
}


@dataclass(frozen=True, slots=True)
class Clean:
    """A distribution: a wheel where it has a tag, else a source distribution."""

    name: str
    tag: str | None
    files: Files = field(default_factory=dict)
    metadata: tuple[tuple[str, str], ...] = ()

    def make(self, folder: Path) -> Path:
        """The file."""
        make = {"extra_files": self.files, "metadata_extra": self.metadata}
        if self.tag is None:
            return make_sdist(folder, self.name, "1.0", **make)  # type: ignore[arg-type]
        return make_wheel(folder, self.name, "1.0", tag=self.tag, **make)  # type: ignore[arg-type]


TEXT = b"Works with https://service.example.org/, in /home/user/project and C:\\Users\\you\\x.\n"
LICENSE = b"Permission is hereby granted, free of charge, to any person.\n"
CODE = b'"""A."""\n\nimport os\n\n\ndef run(path="/tmp/x", host="localhost"):\n    return os\n'
TEST = b"from shapes import run\n\n\ndef test_run():\n    assert run('/home/alice/x', 'hunter2')\n"

# What pure wheels have in them besides a package of one module.
PURE: dict[str, Files] = {
    "one-module": {"single.py": CODE},
    "sub-packages": {f"shapes/{name}/__init__.py": CODE for name in ("a", "b", "c")},
    "namespace": {"company/tools/shapes.py": CODE},
    "namespace-of-old": {"company/__init__.py": b"__import__('pkg_resources')\n"},
    "tests-inside": {"shapes/tests/__init__.py": b"", "shapes/tests/test_a.py": TEST},
    "keys-of-tests": {"shapes/tests/certs/server.p12": b"\0\1", "shapes/tests/a.pem": b"-----\n"},
    "types": {"shapes/py.typed": b"", "shapes/a.pyi": b"def run() -> None: ...\n"},
    "stubs": {"shapes-stubs/__init__.pyi": b"x: int\n", "shapes-stubs/py.typed": b"partial\n"},
    "commands": {"{dist_info}/entry_points.txt": b"[console_scripts]\nshapes = shapes:run\n"},
    "plugins": {"{dist_info}/entry_points.txt": b"[pytest11]\nshapes = shapes.plugin\n"},
    "scripts": {"pure-1.0.data/scripts/shapes": b"#!python\nimport shapes\n"},
    "data-files": {"pure-1.0.data/data/share/man/man1/shapes.1": b".TH SHAPES 1\n"},
    "headers": {"pure-1.0.data/headers/shapes.h": b"#pragma once\n"},
    "purelib": {"pure-1.0.data/purelib/shapes/a.py": CODE},
    "licences": {"{dist_info}/licenses/LICENSE": LICENSE, "{dist_info}/licenses/AUTHORS": TEXT},
    "top-level": {"{dist_info}/top_level.txt": b"shapes\n", "{dist_info}/zip-safe": b"\n"},
    "templates": {"shapes/templates/a.html": b"<a href='https://shapes.example.org'>x</a>\n"},
    "static": {"shapes/static/a.js": b"fetch('/x');" * 50, "shapes/static/a.png": b"\x89PNG\0\1"},
    "translations": {"shapes/locale/de/a.po": b'msgid "x"\n', "shapes/locale/de/a.mo": b"\xde\0"},
    "data": {"shapes/data/a.json": b'{"a": [1, 2]}\n', "shapes/data/a.csv": b"a,b\n1,2\n"},
    "binary-data": {"shapes/data/model.bin": bytes(range(256)) * 20},
    "an-example-of-settings": {"shapes/.env.example": b"TOKEN=\n", "shapes/env.py": CODE},
    "git-in-names": {"shapes/git.py": CODE, "shapes/gitignore.txt": b"*.pyc\n"},
    "documentation": {"shapes/README.md": TEXT, "shapes/docs/a.rst": TEXT},
    "vendored": {"shapes/_vendor/six.py": CODE, "shapes/_vendor/LICENSE": LICENSE},
    "notebooks": {"shapes/a.ipynb": b'{"cells": []}\n'},
    "windows-line-ends": {"shapes/a.py": CODE.replace(b"\n", b"\r\n")},
    "latin-text": {"shapes/data/a.txt": "é".encode("latin-1")},
    "empty-files": {f"shapes/e{n}/__init__.py": b"" for n in range(5)},
    "many-modules": {f"shapes/m{n}.py": CODE for n in range(40)},
    "long-lines": {"shapes/min.js": b"var a=1;" * 4000},
    "key-material-as-text": {"shapes/pem.py": b"HEAD = '-----BEGIN PRIVATE KEY-----'\n"},
    "tokens-in-prose": {"shapes/tokens.py": b"# ghp_ and pypi-AgE and AKIA are prefixes\n"},
    "placeholders": {"shapes/db.py": b"D = 'postgresql://user:password@localhost/x'\n"},
    "sql": {"shapes/schema.sql": b"CREATE TABLE t (id INTEGER);\n"},
    "shell": {"shapes/run.sh": b'#!/bin/sh\nexec python -m shapes "$HOME/.config"\n'},
    "versions-like-addresses": {"shapes/v.py": b"V = 'build 1.2.3.4'\nW = (10, 0, 0, 1)\n"},
    "a-program": {"shapes/bin/launcher.exe": PE_AMD64},
}

# What source distributions have in them.
SOURCES: dict[str, Files] = {
    "flat": {"setup.cfg": b"[metadata]\nname = shapes\n", "setup.py": b"import setuptools\n"},
    "src-layout": {"src/shapes/__init__.py": CODE, "src/shapes/a.py": CODE},
    "egg-info": {"src/shapes.egg-info/SOURCES.txt": b"src/shapes/a.py\n"},
    "manifest": {"MANIFEST.in": b"graft tests\n", "tests/test_a.py": TEST},
    "tests-at-top": {"tests/__init__.py": b"", "tests/conftest.py": CODE, "tests/data/a": b"x"},
    "keys-of-tests": {"tests/keys/id_rsa": b"x", "tests/a.p12": b"\0"},
    "documentation": {"docs/conf.py": b"import sys\n", "docs/index.rst": TEXT, "README.md": TEXT},
    "examples": {"examples/a.py": b"open('/home/alice/data.csv')\n"},
    "benchmarks": {"benchmarks/bench_a.py": CODE},
    "ci": {".github/workflows/ci.yml": b"run: ls /home/runner/work/x\n", ".gitlab-ci.yml": b"a:\n"},
    "dotfiles": {
        ".gitignore": b"*.pyc\n",
        ".gitattributes": b"x\n",
        ".pre-commit-config.yaml": b"x",
    },
    "editor": {".editorconfig": b"root = true\n", ".readthedocs.yaml": b"version: 2\n"},
    "c": {"src/shapes.c": b"int f(void) { return 0; }\n", "include/shapes.h": b"int f(void);\n"},
    "cython": {"shapes/fast.pyx": b"def f(): pass\n", "shapes/fast.c": b"/* Cython */\n"},
    "rust": {
        "Cargo.toml": b"[package]\n",
        "Cargo.lock": b"version = 3\n",
        "src/lib.rs": b"fn a(){}",
    },
    "meson": {"meson.build": b"project('shapes')\n", "shapes/v.py.in": b"V = '@V@'\n"},
    "cmake": {"CMakeLists.txt": b"project(shapes)\n", "cmake/Find.cmake": b"set(a b)\n"},
    "pybind": {"extern/pybind11/include/a.h": b"#pragma once\n", "src/b.cpp": b"int a;\n"},
    "fortran": {"src/a.f90": b"program a\nend program\n"},
    "requirements": {"requirements.txt": b"six\n", "tox.ini": b"[tox]\n", "noxfile.py": CODE},
    "make": {"Makefile": b"all:\n\tpython -m build\n", "Dockerfile": b"FROM python:3\n"},
    "changes": {"CHANGES.rst": TEXT, "NEWS.md": TEXT, "LICENSE": LICENSE, "AUTHORS": TEXT},
    "data": {"shapes/data/a.npz": b"PK\3\4\0", "shapes/data/a.bin": bytes(300)},
    "tools": {"tools/release.py": CODE, "scripts/build.sh": b'#!/bin/sh\ncd "$(dirname $0)"\n'},
}


def _native() -> list[Clean]:
    """Wheels with machine code, for Pythons and platforms as projects build them."""
    found = []
    for python, platform in product(("cp310", "cp311", "cp312", "cp313", "cp314"), _MODULES):
        ending, content = _MODULES[platform]
        stem = f"fast.{python}-" if platform == WINDOWS else f"fast.cpython-{python[2:]}-"
        files = {f"shapes/{stem}{ending}": content}
        found.append(Clean("native", f"{python}-{python}-{platform}", files))
    for platform, (ending, content) in _MODULES.items():
        suffix = "pyd" if platform == WINDOWS else "abi3.so"
        files = {f"shapes/fast.{suffix}": content}
        found.append(Clean("stable", f"cp39-abi3-{platform}", files))
        found.append(Clean("tool", f"py3-none-{platform}", {"tool-1.0.data/scripts/t": content}))
        free = {f"shapes/fast.cpython-314t-{ending}": content}
        if platform == WINDOWS:
            free = {f"shapes/fast.cp314t-{ending}": content}
        found.append(Clean("free", f"cp314-cp314t-{platform}", free))
    bundled = {
        "shapes/fast.cpython-312-x86_64-linux-gnu.so": ELF_X86_64,
        "bundled.libs/libgfortran-040039e1.so.5.0.0": ELF_X86_64,
        "bundled.libs/libopenblas-r0-11edc3fa.so": ELF_X86_64,
    }
    found.append(Clean("bundled", f"cp312-cp312-{LINUX}", bundled))
    dylibs = {
        "shapes/fast.cpython-312-darwin.so": MACH_ARM64,
        "shapes/.dylibs/libz.1.dylib": MACH_ARM64,
    }
    found.append(Clean("bundled", f"cp312-cp312-{MAC}", dylibs))
    dlls = {"shapes/a.cp312-win_amd64.pyd": PE_AMD64, "bundled.libs/a-0f1e2d3c.dll": PE_AMD64}
    found.append(Clean("bundled", f"cp312-cp312-{WINDOWS}", dlls))
    found.append(Clean("ctypes", f"py3-none-{LINUX}", {"shapes/lib/libshapes.so": ELF_X86_64}))
    return found


_METADATA = (
    ("Requires-Dist", "requests>=2"),
    ("Requires-Dist", "pytest; extra == 'test'"),
    ("Provides-Extra", "test"),
    ("Project-URL", "Source, https://code.example.org/shapes"),
    ("Classifier", "Programming Language :: Python :: 3"),
)

CLEAN = [
    *(Clean("pure", "py3-none-any", files, _METADATA) for files in PURE.values()),
    Clean("universal", "py2.py3-none-any", {"shapes/a.py": CODE}),
    Clean("pure", "cp312-none-any", {"shapes/a.py": CODE}),
    *(Clean("shapes", None, files, _METADATA) for files in SOURCES.values()),
    *_native(),
]
