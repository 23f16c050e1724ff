"""The pages of a simple index, read: PEP 503 (HTML), 592, 658, 691 (JSON), 700, 740, 792.

None is trusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PageFile:
    """A file on the page of a project, as the index says it.

    Attributes:
        filename: the last segment of its address.
        url: absolute, without fragment.
        hashes: hexadecimal, in lower case, by the name of the hash function.
        size: in bytes; None where it is not said. So are the others.
        upload_time: as text, in the form of PEP 700.
        requires_python: as it is written.
        yanked: why; empty where no reason is given, None where it is not yanked.
        core_metadata: the hashes of its metadata file (PEP 658 and 714), empty where there is one
            without; None where there is none.
        provenance: the address of what says where it was built (PEP 740).
        has_signature: whether there is a detached signature; None where it is not said.
    """

    filename: str
    url: str
    hashes: Mapping[str, str]
    size: int | None = None
    upload_time: str | None = None
    requires_python: str | None = None
    yanked: str | None = None
    core_metadata: Mapping[str, str] | None = None
    provenance: str | None = None
    has_signature: bool | None = None


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """The page of a project.

    Attributes:
        name: the normalized name.
        files: in the order of the page.
        versions: as the page says them (PEP 700), or as the names of files do.
        status: of PEP 792; empty where it is not said. So is the reason.
    """

    name: str
    files: tuple[PageFile, ...]
    versions: tuple[str, ...] = ()
    status: str = ""
    status_reason: str = ""
