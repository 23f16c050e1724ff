"""What a release has wheels for, which file follows which, and what people expect."""

import pytest

from greenroom.distributions.expectations import InvalidExpectation, missing, parse
from greenroom.distributions.matrix import matrix, predecessors, wheels

OLD_LINUX = "manylinux_2_17_x86_64.manylinux2014_x86_64"
NEW_LINUX = "manylinux_2_28_x86_64"


def named(*tags: str, version: str = "1") -> list[str]:
    return [f"a-{version}-{tag}.whl" for tag in tags]


@pytest.mark.parametrize(
    ("before", "now", "gaps"),
    [
        ([], ["py3-none-any"], []),
        (["py3-none-any"], [], ["any py3"]),
        (["py2.py3-none-any"], ["py3-none-any"], ["any py2"]),
        ([f"cp312-cp312-{OLD_LINUX}"], [f"cp312-cp312-{NEW_LINUX}"], []),
        ([f"cp312-cp312-{OLD_LINUX}"], ["py3-none-any"], []),
        ([f"cp312-cp312-{OLD_LINUX}"], [f"cp39-abi3-{NEW_LINUX}"], []),
        ([f"cp38-cp38-{OLD_LINUX}"], [f"cp39-abi3-{NEW_LINUX}"], ["manylinux x86_64 cp38"]),
        (
            [f"cp39-abi3-{OLD_LINUX}"],
            [f"cp{n}-cp{n}-{OLD_LINUX}" for n in (39, 310)],
            ["manylinux x86_64 cp39 abi3"],
        ),
        (
            ["cp312-cp312-macosx_11_0_universal2"],
            ["cp312-cp312-macosx_11_0_arm64"],
            ["macos x86_64 cp312"],
        ),
        (["cp313-cp313t-win_amd64"], ["cp313-cp313-win_amd64"], ["windows amd64 cp313t"]),
        (["cp313-cp313t-win_amd64"], ["cp39-abi3-win_amd64"], ["windows amd64 cp313t"]),
        (["pp310-pypy310_pp73-win_amd64"], ["cp310-cp310-win_amd64"], ["windows amd64 pp310"]),
        (["py3-none-win_amd64", "py3-none-win32"], ["py3-none-win_amd64"], ["windows x86 py3"]),
        (["cp312-cp312-ios_13_0_arm64_iphoneos"], [], ["ios arm64_iphoneos cp312"]),
        (["cp312-cp312-musllinux_1_2_aarch64"], [], ["musllinux aarch64 cp312"]),
        (["cp312-cp312-pyodide_2024_0_wasm32"], [], ["emscripten wasm32 cp312"]),
    ],
)
def test_a_gap_is_what_nothing_fits_any_more(
    before: list[str], now: list[str], gaps: list[str]
) -> None:
    table = matrix(wheels(named(*before)), wheels(named(*now, version="2")))
    assert [words for words, _ in table.gaps] == gaps
    assert all(len(row.cells) == len(table.pythons) for row in table.rows)


def test_each_file_follows_the_nearest() -> None:
    before = [
        "a-1.tar.gz",
        *named(f"cp311-cp311-{OLD_LINUX}", f"cp312-cp312-{OLD_LINUX}", "cp312-cp312-win_amd64"),
        "not a wheel.whl",
    ]
    follows = {
        f"cp312-cp312-{NEW_LINUX}": f"cp312-cp312-{OLD_LINUX}",
        f"cp314-cp314-{NEW_LINUX}": f"cp312-cp312-{OLD_LINUX}",
        f"cp310-cp310-{OLD_LINUX}": f"cp311-cp311-{OLD_LINUX}",
        "cp310-cp310-win_amd64": "cp312-cp312-win_amd64",
        "cp311-cp311-manylinux_2_17_aarch64": f"cp311-cp311-{OLD_LINUX}",
    }
    now = ["a-2.tar.gz", *named(*follows, version="2")]
    found = dict(predecessors(before, now))
    assert found.pop("a-2.tar.gz") == "a-1.tar.gz"
    assert list(found.values()) == named(*follows.values())
    assert set(predecessors([], now).values()) == {None}


@pytest.mark.parametrize(
    ("text", "tags", "lacks"),
    [
        ("sdist", [], ["a source distribution"]),
        ("ANY # pure", ["py3-none-any"], []),
        ("any", [f"cp312-cp312-{OLD_LINUX}"], ["a wheel for any"]),
        ("manylinux x86_64", [f"cp312-cp312-{OLD_LINUX}"], []),
        ("manylinux x86_64 cp312", ["py3-none-any"], ["a wheel for manylinux x86_64 cp312"]),
        ("manylinux x86_64 cp311\N{EN DASH}cp313", [f"cp39-abi3-{OLD_LINUX}"], []),
        (
            "manylinux x86_64 cp39 - cp310",
            [f"cp39-cp39-{OLD_LINUX}"],
            ["a wheel for manylinux x86_64 cp310"],
        ),
        (
            "manylinux x86_64 cp39,cp313t abi3",
            [f"cp39-abi3-{OLD_LINUX}"],
            ["a wheel with ABI 3 for manylinux x86_64 cp313t"],
        ),
        (
            "macos universal2 cp312",
            ["cp312-cp312-macosx_11_0_arm64"],
            ["a wheel for macos x86_64 cp312"],
        ),
        ("win_amd64\nwindows 32", ["py3-none-win_amd64"], ["a wheel for windows x86"]),
        ("manylinux_2_28_x86_64 cp312", [f"cp312-cp312-{OLD_LINUX}"], []),
        ("musllinux x86_64\r\n\r\nmusllinux x86_64", [], ["a wheel for musllinux x86_64"]),
    ],
)
def test_what_is_expected_is_looked_for(text: str, tags: list[str], lacks: list[str]) -> None:
    assert list(missing(parse(text), wheels(named(*tags)), has_sdist=False)) == lacks


@pytest.mark.parametrize(
    "text",
    [
        *(
            "wheel",
            "manylinux",
            "manylinux cp312",
            "sdist 2",
            "any abi3",
            "x" * 300,
            "sdist\n" * 200,
        ),
        *("manylinux x86_64 3.12", "manylinux x86_64 cp314-cp311", "linux x86_64 cp31-cp3999"),
        *("manylinux x86_64 cp311-cp312t", "manylinux x86-64", "macos ../arm64", "-", ",", "\x1b["),
    ],
)
def test_what_is_not_understood_says_which_line(text: str) -> None:
    with pytest.raises(InvalidExpectation) as refused:
        parse(text)
    assert str(refused.value).isprintable()
