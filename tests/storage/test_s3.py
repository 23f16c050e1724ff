"""Blobs in a bucket of a service that speaks the S3 protocol."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest

from greenroom.storage import Shelf, Storage, StorageUnavailable, open_copy, open_storage
from tests.s3_server import PAGE_SIZE, S3Server
from tests.storage.keeping import CONTENT, DIGEST, content_of, keep, unused_prefix


def test_an_s3_blob_can_be_fetched_from_its_url_under_its_filename(s3: Storage) -> None:
    keep(s3)

    url = s3.url(DIGEST, filename="naïve 1.0.whl", expires_in=timedelta(minutes=5))

    assert url is not None
    with urlopen(url) as response:
        assert response.read() == CONTENT
        assert response.headers["Content-Disposition"] == (
            "attachment; filename*=UTF-8''na%C3%AFve%201.0.whl"
        )
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["300"]


def test_an_s3_url_of_a_missing_blob_leads_nowhere(s3: Storage) -> None:
    url = s3.url(DIGEST, filename="a.whl", expires_in=timedelta(minutes=5))

    assert url is not None
    with pytest.raises(HTTPError, match=r"40[34]") as caught:
        urlopen(url)
    caught.value.close()


def test_an_s3_blob_has_no_file(s3: Storage) -> None:
    keep(s3)

    with s3.open(DIGEST) as blob:
        assert blob.file is None


def test_an_s3_prefix_is_a_storage_of_its_own(signed_in: S3Server, tmp_path: Path) -> None:
    prefix = unused_prefix()
    whole, one, deeper, similar = (
        open_storage(signed_in.url + end, tmp_path, s3_endpoint=signed_in.endpoint)
        for end in ("", f"/{prefix}", f"/{prefix}/deeper/", f"/{prefix}-too")
    )

    keep(one)

    assert list(one.digests()) == [DIGEST]
    for other in (whole, deeper, similar):
        assert DIGEST not in other
        assert list(other.digests()) == []
    url = one.url(DIGEST, filename="a.whl", expires_in=timedelta(minutes=5))
    assert urlsplit(url).path == f"/{signed_in.bucket}/{prefix}/{DIGEST}"


def test_s3_digests_go_on_after_the_first_page_of_the_list(s3: Storage) -> None:
    digests = {keep(s3, b"%d" % number) for number in range(2 * PAGE_SIZE + 1)}

    assert sorted(s3.digests()) == sorted(digests)


def test_a_bucket_that_is_not_there_is_said_in_one_line(
    signed_in: S3Server, tmp_path: Path
) -> None:
    storage = open_storage("s3://no-such-bucket", tmp_path, s3_endpoint=signed_in.endpoint)

    with pytest.raises(StorageUnavailable, match=r"\AThe bucket no-such-bucket refused: .+\Z"):
        keep(storage)
    with pytest.raises(StorageUnavailable, match="no-such-bucket"):
        list(storage.digests())


def test_a_service_that_does_not_answer_is_unavailable(signed_in: S3Server, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        storage = open_storage(signed_in.url, tmp_path, s3_endpoint=endpoint)

        with pytest.raises(StorageUnavailable, match=signed_in.bucket):
            storage.open(DIGEST)


def test_an_object_too_large_for_one_copy_is_moved_all_the_same(
    s3: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenroom.storage.s3._LARGEST_COPY", 1000)
    keep(s3)

    assert s3.move(DIGEST, Shelf.KEPT, Shelf.TRASH)
    assert DIGEST not in s3
    assert s3.move(DIGEST, Shelf.TRASH, Shelf.KEPT)

    assert content_of(s3, DIGEST) == CONTENT


def test_another_bucket_can_be_read_from_as_a_copy(
    s3: Storage, signed_in: S3Server, tmp_path: Path
) -> None:
    keep(s3)

    copy = open_copy(s3.address, tmp_path / "incoming", s3_endpoint=signed_in.endpoint)

    with copy.open(DIGEST) as blob:
        assert b"".join(blob) == CONTENT
