"""Network addresses and paths of machines in texts, whichever pieces they come in."""

import pytest

from greenroom.distributions.addresses import MOST_ADDRESSES, Addresses, watch_paths


def hosts(text: bytes, size: int = 1 << 20) -> dict[str, tuple[str, int]]:
    addresses = Addresses()
    see = addresses.watch("a/b.py")
    assert see is not None
    for at in range(0, len(text), size):
        see(text[at : at + size])
    see(b"")
    return addresses.hosts


@pytest.mark.parametrize(
    ("text", "host"),
    [
        (b"get('https://evil.example/x?y#z')", "evil.example"),
        (b"HTTP://EVIL.Example:8080/", "evil.example:8080"),
        (b"wss://a.b.example", "a.b.example"),
        (b"git+ssh://git@code.example/x.git", "code.example"),
        (b"ftp://u:p@files.example/", "files.example"),
        (b"tcp://203.0.113.7:4444", "203.0.113.7:4444"),
        (b"connect(('203.0.113.7', 80))", "203.0.113.7"),
        (b"http://[2001:db8::1]:8080/x", "[2001:db8::1]:8080"),
        (b'HTTPSConnection("api.service.com")', "api.service.com"),
        (b"'abcdefghijk.onion'", "abcdefghijk.onion"),
    ],
)
def test_an_address_is_found_in_its_line(text: bytes, host: str) -> None:
    whole = b"\n# x\n" + text + b"\n"
    for size in (1 << 20, 7, 1):
        assert hosts(whole, size) == {host: ("a/b.py", 3)}


@pytest.mark.parametrize(
    "text",
    [
        *(b"http://localhost:8000/", b"http://127.0.0.1/", b"'0.0.0.0'", b"https://example.com/a"),
        *(b"'os.path'", b"'numpy.linalg'", b"version 1.2.3.4", b"'1.2.3.400'", b"a.b.c.d"),
        *(
            b"http://www.w3.org/2000/svg",
            b"://x",
            b"c://windows.example/",
            b"\0https://evil.example",
        ),
        b"see https://host/",
    ],
)
def test_what_is_no_address_of_the_world_is_left_out(text: bytes) -> None:
    assert hosts(text) == {}


def test_there_are_not_too_many_and_long_lines_end() -> None:
    addresses = Addresses()
    see = addresses.watch("a.js")
    assert see is not None
    for start in range(0, MOST_ADDRESSES * 2, 1000):
        see(b" ".join(b"https://h%d.example/" % n for n in range(start, start + 1000)))
    assert (len(addresses.hosts), addresses.is_cut) == (MOST_ADDRESSES, True)
    assert Addresses().watch("a-1.dist-info/METADATA") is None


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("a/b.py", b"\nX = '/home/alice/x'", "line 2: /home/alice…"),
        ("a/b.json", rb'{"a": "C:\\Users\\bob\\x"}', r"line 1: C:\\Users\\bob…"),
        ("a.egg-info/SOURCES.txt", b"/Users/ada/a.py", "line 1: /Users/ada…"),
        ("a/b.py", b"'/home/user/x' '/Users/you/x' '/home/runner/work'", None),
        ("tests/b.py", b"'/home/alice/x'", None),
        ("README.md", b"/home/alice/x", None),
        ("a/b.py", b"'${prefix}/home/alice/x'", None),
    ],
)
def test_paths_of_machines(path: str, text: bytes, line: str | None) -> None:
    found: list[str] = []
    see = watch_paths(path, found.append)
    if see is not None:
        see(text + b"\n")
        see(text)
        see(b"")
    assert found == ([line] if line is not None else [])
