"""The folder in which processes share what they count."""

import os
from pathlib import Path

from greenroom.metrics_folder import make_folder, remove_folder


def test_it_is_new_and_goes_and_takes_along_what_the_killed_have_left(tmp_path: Path) -> None:
    first, first_mark = make_folder(tmp_path, tmp_path / "nowhere")
    assert first.parent == tmp_path
    assert first.stat().st_mode & 0o077 == 0
    left, marked = tmp_path / "greenroom-metrics-1", tmp_path / "greenroom-metrics-2"
    for folder in (left, marked):
        folder.mkdir()
        (folder / "counter_1.db").write_bytes(b"old")
    (marked / "in-use").touch()
    new = tmp_path / "greenroom-metrics-3"
    new.mkdir()
    for folder in (left, marked, first):
        os.utime(folder, (0, 0))
    second, second_mark = make_folder(tmp_path / "data", tmp_path)
    assert second.parent == tmp_path
    assert not left.exists()
    assert not marked.exists()
    assert new.exists()  # somebody is about to mark it
    assert first.exists()  # it is of somebody who runs
    for folder, mark in ((first, first_mark), (second, second_mark)):
        os.close(mark)
        remove_folder(folder)
    assert list(tmp_path.iterdir()) == [new]
