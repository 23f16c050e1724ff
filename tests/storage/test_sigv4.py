"""What is signed into a URL, and who can sign."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest

from greenroom.storage import Parts, S3Storage, Storage
from greenroom.storage.sigv4 import signed
from tests.s3_server import S3Server, put_at
from tests.storage.keeping import CONTENT, DIGEST, SOON, keep


def test_an_s3_url_is_signed_as_the_driver_would_sign_it(s3: Storage) -> None:
    import obstore

    assert isinstance(s3, S3Storage)
    url = obstore.sign(s3._bucket.store, "GET", f"a/{DIGEST}", timedelta(minutes=5))
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    scope = query["X-Amz-Credential"].partition("/")[2]

    again = signed(url.partition("?")[0], query, scope, os.environ["AWS_SECRET_ACCESS_KEY"])

    assert again == url


def test_an_s3_url_comes_without_filename_when_the_secret_is_not_at_hand(
    s3: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(s3)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-somebody-else")

    url = s3.url(DIGEST, filename="a.whl", expires_in=timedelta(minutes=5))

    assert url is not None
    assert "disposition" not in url
    with urlopen(url) as response:
        assert response.read() == CONTENT


def test_the_url_of_a_part_is_signed_as_the_makers_of_the_protocol_sign_it(
    parts: Parts, signed_in: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore import auth  # type: ignore[import-untyped]
    from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
    from botocore.credentials import Credentials  # type: ignore[import-untyped]

    url = parts.url("up1", 1, size=4711, expires_in=SOON)

    assert url is not None
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    moment = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    monkeypatch.setattr(auth, "get_current_datetime", lambda *_, **__: moment)
    environment = signed_in.environment
    credentials = Credentials(
        environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    )
    request = AWSRequest("PUT", url.partition("?")[0], headers={"Content-Length": "4711"})
    auth.S3SigV4QueryAuth(credentials, "s3", environment["AWS_REGION"], 300).add_auth(request)
    theirs = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
    assert query == theirs


def test_the_url_of_a_part_takes_any_size_when_the_secret_is_not_at_hand(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-somebody-else")

    url = parts.url("up1", 1, size=1, expires_in=SOON)

    assert url is not None
    assert "X-Amz-SignedHeaders=host&" in url
    put_at(url, CONTENT)
    assert parts.sizes("up1") == {1: len(CONTENT)}
