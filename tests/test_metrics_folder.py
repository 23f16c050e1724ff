"""The folder in which processes share what they count."""

import os
from pathlib import Path

from greenroom.metrics_folder import metrics_folder


def test_it_is_new_and_goes_and_takes_along_what_the_killed_have_left(tmp_path: Path) -> None:
    left = tmp_path / "metrics" / "left"
    left.mkdir(parents=True)
    (left / "in-use").touch()
    (left / "counter_1.db").write_bytes(b"old")
    with metrics_folder(tmp_path) as first:
        assert not left.exists()
        assert os.environ["PROMETHEUS_MULTIPROC_DIR"] == str(first)
        assert first.stat().st_mode & 0o077 == 0
        with metrics_folder(tmp_path) as second:
            assert second != first
            assert first.exists()  # it is of somebody who runs
        assert not second.exists()
    assert list((tmp_path / "metrics").iterdir()) == []
