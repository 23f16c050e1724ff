"""Links in source distributions: only those that lead to somewhere within their top folder.

What is let through is what the ``data`` filter of ``tarfile`` extracts (PEP 721), told from the
names alone. As no member lies below a link, and as no target goes down and up again, a link that
leads through other links stays within the top folder, too.
"""

import re
from collections.abc import Iterator

from greenroom.distributions.archives import MAX_MEMBER_DEPTH, MAX_MEMBER_NAME
from greenroom.distributions.errors import quoted

MAX_LINKS = 1000
"""Links in one archive."""

_LONGEST_CHAIN = 40
"""How many links in a row are followed, as Linux does."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DRIVE = re.compile(r"[A-Za-z]:")


def symbolic_link_problems(name: str, target: str) -> Iterator[str]:
    """Sentences about a symbolic link that an archive must not have.

    ``name`` is the member's, with its top folder; ``target`` is as the archive has it, from the
    folder in which the link is.
    """
    what = f"The member {quoted(name)} is a symbolic link to {quoted(target)}"
    if not target or _CONTROL.search(target) or "\\" in target:
        yield f"{what}, which is no path with /."
    elif target.startswith("/") or _DRIVE.match(target):
        yield f"{what}, which is an absolute path; link to what is in the archive."
    elif len(target.encode()) > MAX_MEMBER_NAME or target.count("/") > MAX_MEMBER_DEPTH:
        yield f"{what}, which is too long or too deep."
    elif _leads_outside(name, target):
        yield f"{what}, which leads outside of the top folder; link to what is in it."
    elif ".." in _downwards(target):
        yield f"{what}, which goes down and up again; write the path plainly."


def hard_link_problems(name: str, target: str, files: set[str]) -> Iterator[str]:
    """Sentences about a hard link to anything but one of the ``files`` before it."""
    if target not in files:
        yield (
            f"The member {quoted(name)} is a hard link to {quoted(target)}, which is no file "
            "before it in the archive."
        )


def resolved(name: str, target: str) -> str:
    """What a symbolic link without problems leads to, as the name of a member would be."""
    return "/".join([*name.split("/")[: -1 - _upwards(target)], *_downwards(target)])


def end_of_links(name: str, links: dict[str, str]) -> str:
    """What is reached by following links from one to the next; ``links`` has where each leads.

    A link that leads around in a circle is its own end.
    """
    end = name
    for _ in range(_LONGEST_CHAIN):
        if end not in links:
            return end
        end = links[end]
    return name


def _parts(target: str) -> list[str]:
    return [part for part in target.split("/") if part not in ("", ".")]


def _upwards(target: str) -> int:
    parts = _parts(target)
    return next((at for at, part in enumerate(parts) if part != ".."), len(parts))


def _downwards(target: str) -> list[str]:
    return _parts(target)[_upwards(target) :]


def _leads_outside(name: str, target: str) -> bool:
    """Whether the path is above the top folder anywhere on its way."""
    depth = name.count("/")
    for part in _parts(target):
        depth += -1 if part == ".." else 1
        if depth < 1:
            return True
    return False
