"""Compatibility tags in words: ``cp312`` as CPython 3.12, ``win_amd64`` as Windows x86-64."""

import re

_IMPLEMENTATIONS = {"cp": "CPython", "pp": "PyPy", "ip": "IronPython", "jy": "Jython"}
_PYTHON = re.compile(r"(py|cp|pp|ip|jy)(\d)(\d*)", re.ASCII)
_FREE_THREADED = re.compile(r"cp\d+t", re.ASCII)

_MACHINES = {
    "x86_64": "x86-64",
    "amd64": "x86-64",
    "i686": "32-bit x86",
    "i386": "32-bit x86",
    "aarch64": "ARM64",
    "arm64": "ARM64",
    "arm64_v8a": "ARM64",
    "armeabi_v7a": "32-bit ARM",
    "armv7l": "32-bit ARM",
    "ppc64le": "POWER",
    "s390x": "IBM Z",
    "riscv64": "RISC-V",
}
_MAC_MACHINES = {
    "arm64": "Apple silicon",
    "x86_64": "Intel",
    "universal2": "Apple silicon and Intel",
}
_GLIBC_BY_NAME = {"1": (2, 5), "2010": (2, 12), "2014": (2, 17)}
_GLIBC = re.compile(r"manylinux(?:(1|2010|2014)|_(\d+)_(\d+))_(\w+)", re.ASCII)
_MUSL = re.compile(r"musllinux_(\d+)_(\d+)_(\w+)", re.ASCII)
_MACOS = re.compile(r"macosx_(\d+)_(\d+)_(\w+)", re.ASCII)
_WINDOWS = re.compile(r"win_(\w+)", re.ASCII)
_ANDROID = re.compile(r"android_(\d+)_(\w+)", re.ASCII)
_IOS = re.compile(r"ios_(\d+)_(\d+)_(\w+)_(iphoneos|iphonesimulator)", re.ASCII)
_WASM = re.compile(r"(?:pyodide|pyemscripten|emscripten)_(\d+)_(\d+)_\w+", re.ASCII)


def python_in_words(python: str, abi: str) -> str:
    """For which Pythons a wheel of these tags is, in lower case; a tag without words is itself."""
    words = dict.fromkeys(_one_python(tag) for tag in python.split("."))
    if python in {"py2.py3", "py3.py2"}:
        return "Python 2 and 3"
    text = " and ".join(words)
    if "abi3" in abi.split("."):
        text += " or newer"
    if any(_FREE_THREADED.fullmatch(tag) for tag in abi.split(".")):
        text += ", free-threaded"
    return text


def platforms_in_words(platform: str) -> str:
    """For which platforms a wheel of this tag is, in lower case; a tag without words is itself.

    Of several glibc versions for one machine only the oldest counts.
    """
    glibc: dict[str, tuple[int, int]] = {}
    words: dict[str, None] = {}
    for tag in platform.split("."):
        found = _GLIBC.fullmatch(tag)
        if found is None:
            words[_one_platform(tag)] = None
            continue
        name, major, minor, machine = found.groups()
        version = _GLIBC_BY_NAME[name] if name else (int(major), int(minor))
        glibc[machine] = min(glibc.get(machine, version), version)
    linux = [
        f"Linux {_machine(machine)}, glibc {major}.{minor} or newer"
        for machine, (major, minor) in glibc.items()
    ]
    return "; ".join([*linux, *words])


def _one_python(tag: str) -> str:
    found = _PYTHON.fullmatch(tag)
    if found is None:
        return tag
    kind, major, minor = found.groups()
    version = f"{major}.{minor}" if minor else major
    return f"{_IMPLEMENTATIONS.get(kind, 'Python')} {version}"


def _one_platform(tag: str) -> str:
    if tag == "any":
        return "Any platform"
    if tag == "win32":
        return "Windows 32-bit x86"
    if found := _WINDOWS.fullmatch(tag):
        return f"Windows {_machine(found[1])}"
    if found := _MACOS.fullmatch(tag):
        machine = _MAC_MACHINES.get(found[3], found[3])
        return f"macOS {found[1]}.{found[2]} or newer, {machine}"
    if found := _MUSL.fullmatch(tag):
        return f"Linux {_machine(found[3])}, musl {found[1]}.{found[2]} or newer"
    if found := _ANDROID.fullmatch(tag):
        return f"Android {_machine(found[2])}, API {found[1]} or newer"
    if found := _IOS.fullmatch(tag):
        where = "iOS" if found[4] == "iphoneos" else "iOS simulator"
        return f"{where} {found[1]}.{found[2]} or newer, {_machine(found[3])}"
    if found := _WASM.fullmatch(tag):
        return f"WebAssembly, {found[1]}.{found[2]}"
    return tag


def _machine(name: str) -> str:
    return _MACHINES.get(name, name)
