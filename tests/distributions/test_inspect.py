"""What is accepted as a distribution, and with which words the rest is refused."""

import contextlib
import random
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.inspect import inspect
from tests import processes
from tests.artifacts import make_metadata, make_sdist, make_wheel, tar_gz_of, zip_of
from tests.raw_tar import member, symlink, zipped


def reasons(path: Path, filename: str | None = None, *, private: bool = False) -> tuple[str, ...]:
    with pytest.raises(InvalidDistribution) as refusal:
        inspect(path, filename or path.name, private=private)
    return refusal.value.reasons


def written(folder: Path, filename: str, content: bytes) -> Path:
    (folder / filename).write_bytes(content)
    return folder / filename


# --- what is accepted


def test_a_wheel_is_described(tmp_path: Path) -> None:
    path = make_wheel(
        tmp_path, "My.Project", "1.0", tag="py2.py3-none-any", build="7", requires_python=">=3.11"
    )
    found = inspect(path, path.name)
    assert found.filename == "my_project-1.0-7-py2.py3-none-any.whl"
    assert found.packagetype == "bdist_wheel"
    assert (found.name, found.normalized_name) == ("My.Project", "my-project")
    assert found.version == Version("1.0")
    assert (found.python_tag, found.build_tag) == ("py2.py3", "7")
    assert found.requires_python == found.metadata.requires_python == ">=3.11"
    with zipfile.ZipFile(path) as archive:
        assert found.metadata_content == archive.read("my_project-1.0.dist-info/METADATA")


def test_an_sdist_is_described(tmp_path: Path) -> None:
    path = make_sdist(tmp_path, "My.Project", "1.0", summary="Hello.")
    found = inspect(path, path.name)
    assert (found.filename, found.packagetype) == ("my_project-1.0.tar.gz", "sdist")
    assert (found.name, found.normalized_name) == ("My.Project", "my-project")
    assert (found.python_tag, found.build_tag) == ("source", None)
    assert found.requires_python is None
    assert found.metadata.summary == "Hello."
    assert found.metadata_content.startswith(b"Metadata-Version: 2.2\nName: My.Project\n")


def test_where_the_file_lies_does_not_matter(tmp_path: Path) -> None:
    path = make_wheel(tmp_path).rename(tmp_path / "upload.tmp")
    assert inspect(path, "example-1.0-py3-none-any.whl").name == "example"


def test_metadata_is_handed_on_byte_for_byte(tmp_path: Path) -> None:
    odd = make_metadata(summary="x").replace(b"\n", b"\r\n") + b"\r\n  \n"
    path = make_sdist(tmp_path, overrides={"PKG-INFO": odd})
    assert inspect(path, path.name).metadata_content == odd


def test_the_folder_of_an_sdist_may_have_any_name(tmp_path: Path) -> None:
    content = tar_gz_of({"Example_1/PKG-INFO": make_metadata(), "Example_1/a/PKG-INFO": b"other"})
    assert inspect(written(tmp_path, "example-1.0.tar.gz", content), "example-1.0.tar.gz")


def test_versions_that_are_equal_agree(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, version="1.0")
    renamed = "example-1.0.0-py3-none-any.whl"
    assert inspect(path, renamed).version == Version("1.0")


def test_signatures_of_record_are_not_recorded(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, overrides={"{dist_info}/RECORD.jws": b"{}"})
    assert inspect(path, path.name)


def test_record_need_not_list_itself(tmp_path: Path) -> None:
    path = make_wheel(tmp_path)
    with zipfile.ZipFile(path) as archive:
        record = archive.read("example-1.0.dist-info/RECORD")
    row = b"example-1.0.dist-info/RECORD,,\n"
    assert row in record
    path = make_wheel(tmp_path, overrides={"{dist_info}/RECORD": record.replace(row, b"")})
    assert inspect(path, path.name)


@pytest.mark.parametrize("size", [2**20, 5 * 2**20 + 1])
@pytest.mark.parametrize("at", [0, -1])
def test_a_large_member_is_what_record_says(tmp_path: Path, size: int, at: int) -> None:
    content = random.Random(size).randbytes(size)
    path = make_wheel(tmp_path, extra_files={"example/data.bin": content})
    assert inspect(path, path.name)
    changed = bytearray(content)
    changed[at] ^= 1
    path = make_wheel(
        tmp_path,
        extra_files={"example/data.bin": content},
        overrides={"example/data.bin": bytes(changed)},
    )
    (reason,) = reasons(path)
    assert reason == "The hash of the member 'example/data.bin' is not the one in RECORD."


def test_the_same_arguments_make_the_same_bytes(tmp_path: Path) -> None:
    for make in (make_wheel, make_sdist):
        first = make(tmp_path / "1", salt="a").read_bytes()
        assert make(tmp_path / "2", salt="a").read_bytes() == first
        assert make(tmp_path / "3", salt="b").read_bytes() != first


# --- names


@pytest.mark.parametrize(
    "filename",
    ["other-1.0-py3-none-any.whl", "example-1.1-py3-none-any.whl"],
)
def test_a_wheel_is_what_its_file_name_says(tmp_path: Path, filename: str) -> None:
    found = reasons(make_wheel(tmp_path), filename)
    assert found[0].startswith("The file name is for ")
    assert "dist-info" in found[1]


@pytest.mark.parametrize("filename", ["other-1.0.tar.gz", "example-1.1.tar.gz"])
def test_an_sdist_is_what_its_file_name_says(tmp_path: Path, filename: str) -> None:
    (reason,) = reasons(make_sdist(tmp_path), filename)
    assert reason.startswith("The file name is for ")


def test_a_bad_name_hides_nothing_of_the_content(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, metadata_extra=[("Classifier", "Nonsense")])
    found = reasons(path, "Example-1.0-py3-none-any.whl")
    assert "begin with 'example'" in found[0]
    assert "Nonsense" in found[1]


def test_a_file_that_is_neither_wheel_nor_sdist_is_refused(tmp_path: Path) -> None:
    (reason,) = reasons(make_wheel(tmp_path), "example-1.0.egg")
    assert ".whl" in reason


@pytest.mark.parametrize("kind", ["sdist", "wheel"])
def test_a_wheel_is_no_sdist_nor_the_other_way_round(tmp_path: Path, kind: str) -> None:
    if kind == "sdist":
        assert reasons(make_wheel(tmp_path), "example-1.0.tar.gz")
    else:
        assert reasons(make_sdist(tmp_path), "example-1.0-py3-none-any.whl")


# --- policy


def test_what_a_private_index_lets_through(tmp_path: Path) -> None:
    path = make_wheel(
        tmp_path,
        version="1.0+cpu",
        tag="cp312-cp312-linux_x86_64",
        metadata_extra=[
            ("Requires-Dist", "other @ https://index.example/other.whl"),
            ("Classifier", "Private :: Do Not Upload"),
        ],
    )
    assert len(reasons(path)) == 4
    assert inspect(path, path.name, private=True).version == Version("1.0+cpu")


# --- licenses


def licensed_wheel(folder: Path, path: str, metadata_version: str = "2.4") -> Path:
    return make_wheel(
        folder,
        metadata_extra=[("License-File", "LICENSE")],
        metadata_version=metadata_version,
        extra_files={path: b"Do what you like."},
    )


def test_license_files_of_a_wheel_are_in_their_folder(tmp_path: Path) -> None:
    path = licensed_wheel(tmp_path, "{dist_info}/licenses/LICENSE")
    assert inspect(path, path.name).metadata.license_files == ("LICENSE",)


@pytest.mark.parametrize("place", ["{dist_info}/LICENSE", "LICENSE", "{dist_info}/licenses/x"])
def test_license_files_that_are_elsewhere_are_missed(tmp_path: Path, place: str) -> None:
    (reason,) = reasons(licensed_wheel(tmp_path, place))
    assert "'example-1.0.dist-info/licenses/LICENSE'" in reason


def test_license_files_may_be_elsewhere_before_metadata_2_4(tmp_path: Path) -> None:
    path = licensed_wheel(tmp_path, "{dist_info}/LICENSE", "2.3")
    assert inspect(path, path.name)


def test_license_files_of_an_sdist_are_in_its_folder(tmp_path: Path) -> None:
    path = make_sdist(
        tmp_path,
        metadata_extra=[("License-File", "LICENSE")],
        metadata_version="2.4",
        extra_files={"LICENSE": b"Do what you like."},
    )
    assert inspect(path, path.name)


def test_license_files_that_an_sdist_lacks_are_missed(tmp_path: Path) -> None:
    path = make_sdist(
        tmp_path, metadata_extra=[("License-File", "LICENSE")], metadata_version="2.4"
    )
    (reason,) = reasons(path)
    assert "'example-1.0/LICENSE'" in reason


@pytest.mark.parametrize(
    ("target", "accepted"), [("legal/MIT.txt", True), ("gone", False), ("legal", False)]
)
def test_a_license_file_may_be_a_link_to_a_file(
    tmp_path: Path, target: str, accepted: bool
) -> None:
    fields = [("License-File", "LICENSE")]
    content = zipped(
        member("x-1/PKG-INFO", make_metadata(metadata_version="2.4", metadata_extra=fields)),
        member("x-1/legal/MIT.txt"),
        symlink("x-1/LICENSE", target),
    )
    path = written(tmp_path, "example-1.0.tar.gz", content)
    if accepted:
        assert inspect(path, path.name).metadata.license_files == ("LICENSE",)
    else:
        assert "'x-1/LICENSE'" in reasons(path)[0]


# --- source distributions


@pytest.mark.parametrize(
    "files",
    [
        {"example-1.0/PKG-INFO": make_metadata(), "other/file": b""},
        {"example-1.0/PKG-INFO": make_metadata(), "file": b""},
        {"PKG-INFO": make_metadata()},
        {},
    ],
)
def test_an_sdist_has_one_folder_with_everything_in_it(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    path = written(tmp_path, "example-1.0.tar.gz", tar_gz_of(files))
    assert "exactly one folder" in reasons(path)[0]


@pytest.mark.parametrize("files", [{}, {"src/PKG-INFO": make_metadata()}, {"pkg-info": b""}])
def test_an_sdist_has_pkg_info(tmp_path: Path, files: dict[str, bytes]) -> None:
    path = make_sdist(tmp_path, overrides={"PKG-INFO": None}, extra_files=files)
    assert "no PKG-INFO" in reasons(path)[0]


def test_an_sdist_needs_no_pyproject(tmp_path: Path) -> None:
    path = make_sdist(tmp_path, overrides={"pyproject.toml": None})
    assert inspect(path, path.name)


# --- wheels


@pytest.mark.parametrize("name", ["METADATA", "WHEEL", "RECORD"])
def test_a_wheel_has_what_it_must_have(tmp_path: Path, name: str) -> None:
    path = make_wheel(tmp_path, overrides={f"{{dist_info}}/{name}": None})
    assert reasons(path)[0] == f"The wheel has no {name} in its folder 'example-1.0.dist-info'."


@pytest.mark.parametrize(
    "extra", [{"other-1.0.dist-info/METADATA": b""}, {"Example-1.0.dist-info/METADATA": b""}]
)
def test_a_wheel_has_one_dist_info_folder(tmp_path: Path, extra: dict[str, bytes]) -> None:
    assert "has 2" in reasons(make_wheel(tmp_path, extra_files=extra))[0]


def test_a_wheel_without_dist_info_folder_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "example-1.0-py3-none-any.whl", zip_of({"a/b.dist-info/x": b""}))
    assert "has 0" in reasons(path)[0]


@pytest.mark.parametrize("folder", ["example.dist-info", "example-2.0.dist-info", ".dist-info"])
def test_the_dist_info_folder_is_named_after_the_wheel(tmp_path: Path, folder: str) -> None:
    with zipfile.ZipFile(make_wheel(tmp_path)) as archive:
        files = {
            name.replace("example-1.0.dist-info", folder): archive.read(name).replace(
                b"example-1.0.dist-info", folder.encode()
            )
            for name in archive.namelist()
        }
    path = written(tmp_path, "example-1.0-py3-none-any.whl", zip_of(files))
    (reason,) = reasons(path)
    assert repr(folder) in reason


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"example/__init__.py": b"evil"}, "hash of the member 'example/__init__.py'"),
        ({"example/__init__.py": None}, "RECORD lists 'example/__init__.py'"),
        ({"example/evil.py": b"evil"}, "'example/evil.py' is not listed in RECORD"),
        ({"{dist_info}/licenses/a": b""}, "is not listed in RECORD"),
        ({"{dist_info}/WHEEL": b"Wheel-Version: 2.0\n"}, "WHEEL"),
        ({"{dist_info}/METADATA": b"\xff"}, "UTF-8"),
        ({"{dist_info}/entry_points.txt": b"nonsense"}, "entry_points.txt cannot be parsed"),
        ({"{dist_info}/RECORD": b"\xff"}, "RECORD is not encoded"),
        ({"{dist_info}/RECORD": b"example-1.0.dist-info/RECORD,sha256=a,\n"}, "hash of itself"),
    ],
)
def test_a_wheel_is_as_its_own_files_say(
    tmp_path: Path, overrides: dict[str, bytes | None], reason: str
) -> None:
    assert any(reason in found for found in reasons(make_wheel(tmp_path, overrides=overrides)))


@pytest.mark.parametrize(
    ("filename", "inside", "says"),
    [
        ("py3-none-any", "Tag: py2-none-any", "lacks 'py3-none-any' and has 'py2-none-any'"),
        ("py2.py3-none-any", "Tag: py3-none-any", "lacks 'py2-none-any'"),
        ("py3-none-any", "Tag: py2.py3-none-any", "has 'py2-none-any'"),
        ("py3-none-any", "Root-Is-Purelib: true", "lacks 'py3-none-any'"),
        (
            "cp312-cp312-manylinux_2_28_x86_64",
            "Tag: cp312-cp312-linux_x86_64",
            "has 'cp312-cp312-linux_x86_64'",
        ),
        ("cp312-abi3-win_amd64", "Tag: cp312-cp312-win_amd64", "lacks 'cp312-abi3-win_amd64'"),
        (
            "cp312-cp312-win_amd64",
            "Tag: cp38.cp39.cp310.cp311.cp312-cp312-win_amd64",
            "has 'cp310-cp312-win_amd64', 'cp311-cp312-win_amd64', 'cp38-cp312-win_amd64' and",
        ),
        ("py3-none-any", "Build: 1\nTag: py3-none-any", "Build '1', and the file name none"),
        ("2-py3-none-any", "Build: 1\nTag: py3-none-any", "Build '1', and the file name '2'"),
    ],
)
def test_a_wheel_is_for_what_its_file_name_says(
    tmp_path: Path, filename: str, inside: str, says: str
) -> None:
    content = f"Wheel-Version: 1.0\n{inside}\n".encode()
    path = make_wheel(tmp_path, extra_files={"{dist_info}/WHEEL": content})
    (reason,) = reasons(path, f"example-1.0-{filename}.whl")
    assert says in reason


@pytest.mark.parametrize(
    ("filename", "inside"),
    [
        ("py2.py3-none-any", "Tag: py3-none-any\nTag: py2-none-any"),
        ("py2.py3-none-any", "Tag: py2.py3-none-any"),
        ("CP313-CP313-Win_amd64", "Tag: cp313-cp313-win_amd64"),
        ("cp313-cp313-win_amd64", "Tag: CP313-CP313-Win_amd64"),
        (
            "cp313-cp313-manylinux2014_x86_64.manylinux_2_17_x86_64",
            "Tag: cp313-cp313-manylinux_2_17_x86_64\nTag: cp313-cp313-manylinux2014_x86_64",
        ),
        ("1-py3-none-any", "Build: 1\nTag: py3-none-any"),
        ("1-py3-none-any", "Tag: py3-none-any"),
    ],
)
def test_wheel_and_file_name_agree_however_they_are_written(
    tmp_path: Path, filename: str, inside: str
) -> None:
    content = f"Wheel-Version: 1.0\n{inside}\n".encode()
    path = make_wheel(tmp_path, extra_files={"{dist_info}/WHEEL": content})
    assert inspect(path, f"example-1.0-{filename}.whl").python_tag.islower()


def test_a_file_name_with_too_many_combinations_is_refused(tmp_path: Path) -> None:
    parts = [".".join(f"{kind}{number}" for number in range(11)) for kind in ("a", "b")]
    platforms = ".".join(["any"] + [f"win_{number}" for number in range(10)])
    found = reasons(make_wheel(tmp_path), f"example-1.0-{parts[0]}-{parts[1]}-{platforms}.whl")
    assert found == ("The wheel is for more than 1000 combinations of Python, ABI and platform.",)


def test_everything_that_is_wrong_with_a_wheel_is_said(tmp_path: Path) -> None:
    path = make_wheel(
        tmp_path,
        summary="x" * 1000,
        overrides={
            "{dist_info}/WHEEL": b"",
            "{dist_info}/entry_points.txt": b"nonsense",
            "example/__init__.py": b"changed",
            "example/new.py": b"",
        },
    )
    found = " ".join(reasons(path, "example-2.0-py3-none-plan9.whl"))
    for part in ("plan9", "Wheel-Version", "entry_points", "__init__", "new.py", "Summary"):
        assert part in found


def test_a_name_inside_cannot_pass_for_a_finished_upload(tmp_path: Path) -> None:
    path = make_wheel(tmp_path, overrides={"example/file already exists.py": b""})
    assert "already exist" not in " ".join(reasons(path))


# --- whatever it is given


def test_a_missing_file_is_no_invalid_distribution(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        inspect(tmp_path / "gone", "example-1.0.tar.gz")


def test_a_damaged_member_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    """Any byte of a wheel that is changed is either found, or says nothing (times, versions)."""
    path = make_wheel(tmp_path)
    content = path.read_bytes()
    good = inspect(path, path.name)
    for at in range(0, len(content), 3):
        changed = bytearray(content)
        changed[at] ^= 0x55
        path.write_bytes(changed)
        with contextlib.suppress(InvalidDistribution):
            assert inspect(path, path.name) == good


@pytest.mark.parametrize("make", ["wheel", "sdist"])
def test_a_truncated_file_is_refused(tmp_path: Path, make: str) -> None:
    path = make_wheel(tmp_path) if make == "wheel" else make_sdist(tmp_path)
    content = path.read_bytes()
    for end in range(0, len(content), 11):
        path.write_bytes(content[:end])
        assert reasons(path)


@given(content=st.binary(max_size=200), magic=st.sampled_from([b"", b"PK\3\4", b"\x1f\x8b\x08\0"]))
def test_random_bytes_are_refused(tmp_path: Path, content: bytes, magic: bytes) -> None:
    path = written(tmp_path, "upload", magic + content)
    assert reasons(path, "example-1.0.tar.gz")
    assert reasons(path, "example-1.0-py3-none-any.whl")


MEASURED = """
import resource, sys
from pathlib import Path
from greenroom.distributions.inspect import inspect
small, large = map(Path, sys.argv[1:])
inspect(small, small.name)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
inspect(large, "example-1.0-py3-none-any.whl")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    small = make_wheel(tmp_path / "small")
    large = make_wheel(tmp_path / "large", payload=b"\0" * (128 * 1024 * 1024))
    grown = processes.run(
        [sys.executable, "-c", MEASURED, str(small), str(large)], check=True
    ).stdout
    assert int(grown) < 8 * 1024  # KiB
