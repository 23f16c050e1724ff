"""How the settings choose a storage."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from greenroom.storage import LocalStorage, StorageUnavailable, open_storage
from tests.storage.keeping import CONTENT, DIGEST
from tests.storage.processes import start


def test_without_a_url_files_are_kept_in_the_folder(tmp_path: Path) -> None:
    storage = open_storage(None, tmp_path / "files")

    assert isinstance(storage, LocalStorage)
    assert storage.incoming == tmp_path / "files" / "incoming"
    assert storage.incoming.is_dir()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "files",
        "/srv/files",
        "file:///srv/files",
        "s3:",
        "s3://",
        "s3:///prefix",
        "s3://b",
        "s3://user@bucket",
        "s3://bucket//prefix",
        "s3://bucket/a/../b",
        "s3://bucket/with space",
        "s3://bucket/prefix?region=x",
        "S3://bucket",
        "gs://bucket",
    ],
)
def test_a_url_of_another_form_is_refused_by_the_name_of_the_setting(
    url: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="GREENROOM_STORAGE_URL accepts s3://bucket"):
        open_storage(url, tmp_path)


@pytest.mark.parametrize("endpoint", ["", "127.0.0.1:9000", "ftp://127.0.0.1", "http://"])
def test_an_endpoint_of_another_form_is_refused_by_the_name_of_the_setting(
    endpoint: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="GREENROOM_S3_ENDPOINT accepts"):
        open_storage("s3://bucket", tmp_path, s3_endpoint=endpoint)
    with pytest.raises(ValueError, match="GREENROOM_S3_PUBLIC_ENDPOINT accepts"):
        open_storage("s3://bucket", tmp_path, s3_public_endpoint=endpoint)


def test_without_the_extra_an_s3_url_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "obstore.store", None)

    with pytest.raises(StorageUnavailable, match=r"install greenroom\[s3\]"):
        open_storage("s3://bucket", tmp_path)


def test_the_driver_is_not_loaded_for_a_local_folder(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    code = "storage.put(Path(path), digest); print('obstore' in sys.modules)"

    with start(code, (None, None), tmp_path / "files", path, DIGEST) as process:
        output, _ = process.communicate()

    assert output == "False\n"
