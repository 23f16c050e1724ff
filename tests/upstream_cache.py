"""What tests of cached files of an upstream need: an index with one, and what its pages have."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_network

from msgspec.structs import replace

from greenroom.other_indexes.pages import PageFile, ProjectPage
from greenroom.registry import upstream_files, upstream_pages
from greenroom.registry.unit_of_work import Services
from greenroom.registry.upstream_files import KeptFile, WantedFile
from greenroom.registry.upstream_pages import Said
from greenroom.settings import Settings
from greenroom.upstream_settings import Upstream
from greenroom.web.http.urls import upstream_file_path
from tests.upstream_server import HeldFile, UpstreamServer, upstream_running

NAME = "up"


def with_upstream(settings: Settings, upstream: UpstreamServer, **more: object) -> Settings:
    """The settings of an index with this upstream, whose files it keeps."""
    changed = {
        "upstreams": (Upstream(NAME, upstream.url),),
        "upstream_networks": (ip_network("127.0.0.0/8"),),
        "upstream_mode": "cache",
        **more,
    }
    return replace(settings, **changed)


def environment(upstream: UpstreamServer, **more: str) -> Mapping[str, str]:
    """The same, for a server."""
    return {
        "GREENROOM_UPSTREAMS": f"{NAME}={upstream.url}",
        "GREENROOM_UPSTREAM_NETWORKS": "127.0.0.0/8",
        "GREENROOM_UPSTREAM_MODE": "cache",
        **more,
    }


def page_file(upstream: UpstreamServer, held: HeldFile) -> PageFile:
    """The file as a page that says all has it."""
    metadata = {} if held.metadata is None else {"sha256": sha256(held.metadata)}
    return PageFile(
        held.filename,
        f"{upstream.origin}{held.path}",
        {"sha256": held.sha256},
        size=len(held.content),
        core_metadata=metadata if held.metadata is not None else None,
    )


def sha256(content: bytes) -> str:
    """Its digest."""
    return hashlib.sha256(content).hexdigest()


def keep_page(services: Services, upstream: UpstreamServer, project: str, *files: PageFile) -> None:
    """Let the index know what the page of a project has."""
    page = ProjectPage(project, files)
    said = Said(f"{upstream.url}{project}/", timedelta(hours=1))
    with services.writing() as uow:
        upstream_pages.keep(uow, Upstream(NAME, upstream.url), project, page, said)


def address(file: PageFile, project: str = "thing") -> str:
    """Where the index has it."""
    return f"/{upstream_file_path(NAME, project, file)}"


@contextmanager
def holding(name: str, content: bytes) -> Iterator[tuple[UpstreamServer, HeldFile]]:
    """An upstream with one file, whatever is in it."""
    with upstream_running() as upstream:
        held = HeldFile(name, content, None)
        upstream.project("thing").files.append(held)
        yield upstream, held


def keep(services: Services, content: bytes, filename: str = "thing-1.0.tar.gz") -> KeptFile:
    """Keep a file as if it had come from an upstream."""
    digest = hashlib.sha256(content).hexdigest()
    wanted = WantedFile(
        "up", "thing", filename, f"http://x.example/{filename}", {"sha256": digest}, len(content)
    )
    path = services.storage.new_file()
    path.write_bytes(content)
    services.storage.put(path, digest)
    path.unlink()
    with services.writing() as uow:
        uow.lock(f"blob:{digest}")
        upstream_files.keep(uow, wanted, digest, len(content))
    with services.reading() as uow:
        found = upstream_files.find(uow.db, wanted)
    assert found is not None
    return found
