"""Clients that upload: what they publish is public, what they stage is not, and why they fail."""

import hashlib
import json
from operator import attrgetter
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests import factories
from tests.clients import guide, maintainer
from tests.clients.conftest import SHARED_ON_BOTH, SharedServer
from tests.clients.uploaders import (
    SAY_WHY,
    UPLOADERS,
    Checkout,
    Upload,
    Uploader,
    flit,
    make_checkout,
    pdm,
    poetry,
    twine,
    uv,
)

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"

name_of = attrgetter("__name__")
every_uploader = pytest.mark.parametrize("client", UPLOADERS, ids=name_of)


def digests(checkout: Checkout) -> dict[str, str]:
    """The files of ``dist/`` by name."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in checkout.files}


def public_files(shared: SharedServer, name: str) -> dict[str, str]:
    """The digests of what the public sees of a project by name."""
    answer = shared.server.get(f"/simple/{name}/", SIMPLE_JSON)
    files = json.loads(answer.body)["files"] if answer.status == 200 else []
    return {file["filename"]: file["hashes"]["sha256"] for file in files}


def staged_files(shared: SharedServer, checkout: Checkout) -> dict[str, str]:
    """The digests of what is in the draft by name."""
    slug = draft_slug(shared, checkout)
    answer = shared.server.get(f"/draft/{slug}/simple/{checkout.name}/", SIMPLE_JSON)
    files = json.loads(answer.body)["files"]
    return {file["filename"]: file["hashes"]["sha256"] for file in files}


def draft_slug(shared: SharedServer, checkout: Checkout) -> str:
    with shared.services.reading() as uow:
        draft = factories.find_draft(uow, checkout.name, checkout.version)
        assert draft is not None
        return draft.slug


def said(result: CompletedProcess[str]) -> str:
    """What a client printed, however it wrapped the lines."""
    return " ".join(result.stdout.split())


@SHARED_ON_BOTH
@every_uploader
def test_what_a_client_uploads_is_public(
    shared: SharedServer, client: Uploader, tmp_path: Path
) -> None:
    checkout = make_checkout(tmp_path, f"direct-by-{client.__name__}")
    upload = Upload(shared.server, checkout, staged=False, token=shared.token)

    result = client(upload)

    assert result.returncode == 0, result.stdout
    assert public_files(shared, checkout.name) == digests(checkout)


@pytest.mark.parametrize(
    ("client", "title"),
    [
        ("twine", "twine, flit, and whatever reads `.pypirc`"),
        ("flit", "twine, flit, and whatever reads `.pypirc`"),
        *((client, client) for client in ("uv", "poetry", "pdm", "hatch")),
    ],
)
def test_what_a_client_stages_as_the_guide_says_is_public_once_it_is_published(
    shared: SharedServer, client: str, title: str, tmp_path: Path
) -> None:
    home, checkout = tmp_path / "home", make_checkout(tmp_path / "here", f"staged-by-{client}")
    section = guide.section("Uploading", title, url=shared.server.url, token=shared.token)
    guide.write(section.files, home=home, folder=checkout.folder)

    commands = section.commands_of(client)
    guide.type_in(shared.server, commands, home=home, folder=checkout.folder)

    assert public_files(shared, checkout.name) == {}
    assert staged_files(shared, checkout) == digests(checkout)
    maintainer.publish(shared.services, checkout.name, checkout.version)
    assert public_files(shared, checkout.name) == digests(checkout)


@every_uploader
def test_uploading_again_what_is_there_succeeds_and_changes_nothing(
    shared: SharedServer, client: Uploader, tmp_path: Path
) -> None:
    checkout = make_checkout(tmp_path, f"again-by-{client.__name__}")
    upload = Upload(shared.server, checkout, staged=False, token=shared.token)
    client(upload)
    page = shared.server.get(f"/simple/{checkout.name}/")

    result = client(upload)

    assert result.returncode == 0, result.stdout
    assert page.status == 200
    assert shared.server.get(f"/simple/{checkout.name}/") == page


@every_uploader
def test_a_client_says_that_the_token_is_wrong(
    shared: SharedServer, client: Uploader, tmp_path: Path
) -> None:
    checkout = make_checkout(tmp_path, f"forbidden-by-{client.__name__}")
    upload = Upload(shared.server, checkout, staged=False, token="gr_wrong")

    result = client(upload, *SAY_WHY.get(client, ()))

    assert result.returncode != 0
    assert "Invalid or non-existent authentication information." in said(result)
    assert public_files(shared, checkout.name) == {}


@pytest.mark.parametrize(
    "client", [client for client in UPLOADERS if client is not flit], ids=name_of
)
def test_a_client_says_what_is_wrong_with_a_file(
    shared: SharedServer, client: Uploader, tmp_path: Path
) -> None:
    no_record = {"{dist_info}/RECORD": b""}
    checkout = make_checkout(tmp_path, f"wrong-by-{client.__name__}", overrides=no_record)
    upload = Upload(shared.server, checkout, staged=False, token=shared.token)

    result = client(upload, *SAY_WHY.get(client, ()))

    assert result.returncode != 0
    assert "Invalid distribution file." in said(result)
    assert "RECORD" in said(result)


def test_flit_says_what_is_wrong_with_what_it_builds(shared: SharedServer, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, "wrong-by-flit", "1.0+here")
    upload = Upload(shared.server, checkout, staged=False, token=shared.token)

    result = flit(upload)

    assert result.returncode != 0
    assert "'1.0+here' is a local version" in said(result)


def test_twine_skips_what_is_there_at_other_indexes_only(
    shared: SharedServer, tmp_path: Path
) -> None:
    """As of twine 7. Nothing is lost: uploading the same files again needs no option."""
    checkout = make_checkout(tmp_path, "skipped-by-twine")
    upload = Upload(shared.server, checkout, staged=False, token=shared.token)

    result = twine(upload, "--skip-existing")

    assert result.returncode != 0
    assert "does not have support for the following features: --skip-existing" in said(result)
    assert public_files(shared, checkout.name) == {}


skipping = pytest.mark.parametrize("client", [poetry, pdm], ids=name_of)


@skipping
def test_a_client_skips_what_is_there_with_other_content(
    shared: SharedServer, client: Uploader, tmp_path: Path
) -> None:
    name = f"skipped-by-{client.__name__}"
    published = make_checkout(tmp_path / "published", name)
    client(Upload(shared.server, published, staged=False, token=shared.token))
    rebuilt = make_checkout(tmp_path / "rebuilt", name, salt="rebuilt")
    upload = Upload(shared.server, rebuilt, staged=False, token=shared.token)

    without_option = client(upload, *SAY_WHY.get(client, ()))
    with_option = client(upload, "--skip-existing")

    assert without_option.returncode != 0
    assert "File already exists" in said(without_option)
    assert with_option.returncode == 0, with_option.stdout
    assert "kip" in said(with_option)
    assert public_files(shared, name) == digests(published)


@skipping
def test_a_client_that_skips_what_is_there_does_not_skip_what_a_draft_forbids(
    shared: SharedServer, client: Uploader, tmp_path: Path
) -> None:
    checkout = make_checkout(tmp_path, f"unskipped-by-{client.__name__}")
    client(Upload(shared.server, checkout, staged=True, token=shared.token))
    upload = Upload(shared.server, checkout, staged=False, token=shared.token)

    result = client(upload, "--skip-existing", *SAY_WHY.get(client, ()))

    assert result.returncode != 0
    assert f"A draft of {checkout.name} 1.0 is open" in said(result)
    assert public_files(shared, checkout.name) == {}


def test_uv_asks_the_index_what_is_there_and_skips_it(shared: SharedServer, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, "checked-by-uv")
    sdist, wheel = checkout.files
    upload = Upload(shared.server, checkout, staged=False, token=shared.token)
    check = ("--check-url", f"{shared.server.url}/simple/")
    uv(upload, *check, str(wheel))

    result = uv(upload, *check)

    assert result.returncode == 0, result.stdout
    assert f"File {wheel.name} already exists, skipping" in said(result)
    assert f"Uploading {sdist.name}" in said(result)
    assert public_files(shared, checkout.name) == digests(checkout)


def test_uv_refuses_to_upload_what_is_there_with_other_content(
    shared: SharedServer, tmp_path: Path
) -> None:
    published = make_checkout(tmp_path / "published", "rechecked-by-uv")
    uv(Upload(shared.server, published, staged=False, token=shared.token))
    rebuilt = make_checkout(tmp_path / "rebuilt", "rechecked-by-uv", salt="rebuilt")

    result = uv(
        Upload(shared.server, rebuilt, staged=False, token=shared.token),
        *("--check-url", f"{shared.server.url}/simple/"),
    )

    assert result.returncode != 0
    assert "Local file and index file do not match" in said(result)
    assert public_files(shared, "rechecked-by-uv") == digests(published)


def test_uv_asks_a_draft_what_is_there_and_skips_it(shared: SharedServer, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, "draft-checked-by-uv")
    upload = Upload(shared.server, checkout, staged=True, token=shared.token)
    uv(upload, str(checkout.files[0]))
    draft = f"{shared.server.url}/draft/{draft_slug(shared, checkout)}/simple/"

    result = uv(upload, "--check-url", draft)

    assert result.returncode == 0, result.stdout
    assert f"File {checkout.files[0].name} already exists, skipping" in said(result)
    assert staged_files(shared, checkout) == digests(checkout)
