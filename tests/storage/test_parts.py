"""Parts that clients put into the bucket themselves."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from greenroom.storage import PartMissing, Parts, Storage, open_storage
from tests.s3_server import PAGE_SIZE, S3Server
from tests.storage.keeping import CONTENT, DIGEST, SOON, keep, part_content, put_part, unused_prefix


def test_what_a_client_puts_at_the_url_of_a_part_can_be_read(parts: Parts) -> None:
    put_part(parts, "up1", 1, CONTENT)
    put_part(parts, "up1", 2, b"the rest")

    assert part_content(parts, "up1", 1) == CONTENT
    assert part_content(parts, "up1", 2) == b"the rest"
    assert parts.sizes("up1") == {1: len(CONTENT), 2: 8}


def test_a_part_that_is_put_again_is_replaced(parts: Parts) -> None:
    put_part(parts, "up1", 1, CONTENT)
    put_part(parts, "up1", 1, b"anew")

    assert part_content(parts, "up1", 1) == b"anew"


def test_a_part_that_nobody_put_is_missing(parts: Parts) -> None:
    put_part(parts, "up1", 1, CONTENT)

    with pytest.raises(PartMissing, match="part 2"):
        parts.open("up1", 2)
    assert parts.sizes("other") == {}


def test_the_url_of_a_part_leads_to_its_folder_and_says_how_long_and_how_large(
    parts: Parts, signed_in: S3Server
) -> None:
    url = parts.url("up1", 12, size=4711, expires_in=SOON)

    assert url is not None
    address, query = urlsplit(url), parse_qs(urlsplit(url).query)
    assert address.hostname == "localhost"
    assert re.fullmatch(rf"/{signed_in.bucket}/test/run-\d+/parts/up1/12", address.path)
    assert query["X-Amz-Expires"] == ["300"]
    assert query["X-Amz-SignedHeaders"] == ["content-length;host"]


def test_parts_that_are_removed_are_gone_and_others_stay(parts: Parts) -> None:
    for number in range(1, PAGE_SIZE + 2):
        put_part(parts, "up1", number, b"x")
    put_part(parts, "up10", 1, b"y")

    parts.remove("up1")
    parts.remove("never-was".replace("-", ""))

    assert parts.sizes("up1") == {}
    assert parts.sizes("up10") == {1: 1}


def test_uploads_with_parts_are_listed_once_each(parts: Parts) -> None:
    for upload, number in itertools.product(("up1", "up10", "Up2"), range(1, PAGE_SIZE)):
        put_part(parts, upload, number, b"x")

    assert sorted(parts.uploads()) == ["Up2", "up1", "up10"]
    assert list(parts.uploads(older_than=timedelta(hours=1))) == []
    assert sorted(parts.uploads(older_than=timedelta(0))) == ["Up2", "up1", "up10"]


def test_parts_are_no_blobs_and_blobs_are_no_parts(signed_in: S3Server, tmp_path: Path) -> None:
    storage = open_storage(
        f"{signed_in.url}/{unused_prefix()}",
        tmp_path,
        s3_endpoint=signed_in.endpoint,
        s3_public_endpoint=signed_in.endpoint,
    )
    assert storage.parts is not None
    keep(storage)
    put_part(storage.parts, DIGEST[:40], 1, CONTENT)

    assert list(storage.digests()) == [DIGEST]
    assert list(storage.parts.uploads()) == [DIGEST[:40]]
    storage.parts.remove(DIGEST[:40])
    assert DIGEST in storage


@pytest.mark.parametrize(
    ("upload", "number"), [("", 1), ("../a", 1), ("a/b", 1), ("ä", 1), ("a", 0)]
)
def test_a_part_of_another_form_is_refused(parts: Parts, upload: str, number: int) -> None:
    with pytest.raises(ValueError, match=r"An upload is|Parts are numbered"):
        parts.url(upload, number, size=1, expires_in=SOON)


def test_clients_are_not_sent_to_an_endpoint_that_only_the_index_may_reach(s3: Storage) -> None:
    assert s3.parts is not None
    assert not s3.parts.offered
    assert s3.parts.url("up1", 1, size=1, expires_in=SOON) is None


def test_clients_reach_the_provider_itself(signed_in: S3Server, tmp_path: Path) -> None:
    storage = open_storage("s3://bucket/prefix", tmp_path)

    assert storage.parts is not None
    url = storage.parts.url("up1", 1, size=1, expires_in=SOON)
    assert url is not None
    assert url.startswith("https://")


def test_clients_do_not_reach_an_endpoint_of_the_environment(
    signed_in: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", signed_in.endpoint)

    storage = open_storage("s3://bucket/prefix", tmp_path)

    assert storage.parts is not None
    assert not storage.parts.offered
