"""The traversal tree: what an address names, before any view looks at it.

A node answers ``KeyError`` for what is not there, or what the one who asks may not know of; the two
are the same 404. Each part brings the nodes of its own branch, in its ``resources.py``, and hands
the branch to :class:`Root` with :func:`add_branch` when it is included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from types import MappingProxyType
from typing import ClassVar, Self

from pyramid.config import Configurator
from pyramid.traversal import split_path_info

from greenroom.models import Visibility
from greenroom.registry import catalogue
from greenroom.web.http.refusals import PAGE, RefusalFormat
from greenroom.web.http.request import Request


class ReadBy(Enum):
    """Who reads what is below a first segment, and is asked who they are where that counts."""

    PEOPLE = auto()  # in a browser: they sign in
    PROGRAMS = auto()  # by API token, or with the session of a browser
    ANYBODY = auto()  # nothing of any project is there, or it asks by itself


class Node:
    """What all nodes share: the request, a name, and a parent."""

    is_leaf: ClassVar[bool] = False
    """A folder's address ends with a slash, a leaf's does not."""

    has_one_address: ClassVar[bool] = True
    """Whether every other spelling of its address is redirected to the one that it has."""

    open_to_all_origins: ClassVar[bool] = False
    """Whether scripts of other origins may read what is refused below it (CORS)."""

    takes_uploads: ClassVar[bool] = False
    """Whether upload clients send files to it, and are redirected to its one address."""

    is_for_signed_in: ClassVar[bool] = False
    """Whether everything below a first segment is for people who are signed in."""

    open_before_enrolment: ClassVar[frozenset[str] | None] = None
    """What below a first segment is open to who has yet to add a second factor that this index
    wants, by the second segment; None for all of it."""
    has_secret_address: ClassVar[bool] = False
    """Whether an address below a first segment opens what is there, for whoever holds it."""

    headers: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Headers of every answer below it, whatever a view has set."""

    def __init__(self, request: Request, name: str, parent: Node | None) -> None:
        self.request = request
        self.__name__ = name
        self.__parent__ = parent

    @property
    def read_by(self) -> ReadBy:
        """Who reads what is below a first segment, where not everybody may read everything."""
        return ReadBy.PEOPLE

    @property
    def refusals(self) -> RefusalFormat:
        """How a refusal is answered here and below: as it is above, where it says nothing else."""
        return self.__parent__.refusals if self.__parent__ is not None else PAGE


Branch = Callable[[Request, str, Node], Node]


class Root(Node):
    """``/``"""

    def __init__(self, request: Request) -> None:
        super().__init__(request, "", None)

    def __getitem__(self, name: str) -> Node:
        # No name has it, and PostgreSQL cannot be asked for it.
        if "\0" in self.request.path_info:
            raise KeyError(name)
        return _branches(self.request)[name](self.request, name, self)


def add_branch(config: Configurator, name: str, branch: Branch) -> None:
    """Let :class:`Root` have a child of this name.

    Args:
        config: the application that is being composed.
        name: the first segment of the addresses.
        branch: makes the node, of the request, its name and its parent.

    Raises:
        ValueError: another part has this name.
    """
    branches = config.registry.__dict__.setdefault("branches", {})
    if name in branches:
        raise ValueError(f"two parts want the addresses below /{name}")
    branches[name] = branch


def branch_of(request: Request) -> Node:
    """The node that the first segment of the request's path names, or :class:`Root`.

    Unlike the request's context it is there for every request, also for one whose path is no UTF-8,
    or whose traversal was broken off.
    """
    root = Root(request)
    for name in segments(request)[:1]:
        branch = _branches(request).get(name)
        if branch is not None:
            return branch(request, name, root)
    return root


def refusals_at(request: Request) -> RefusalFormat:
    """How a refusal of this request is answered."""
    context = getattr(request, "context", None)
    if isinstance(context, Node) and context.__parent__ is not None:
        return context.refusals
    return branch_of(request).refusals


def segments(request: Request) -> tuple[str, ...]:
    """The path's segments, dots resolved, also of a path that is no UTF-8.

    They are not decoded, so that only ASCII may be compared with them.
    """
    return split_path_info(request.environ.get("PATH_INFO", ""))


def _branches(request: Request) -> Mapping[str, Branch]:
    branches: Mapping[str, Branch] = request.registry.branches
    return branches


class PublicProject(Node):
    """A public project, for programs: its normalized name is the only one without a redirect."""

    def __init__(self, request: Request, project: catalogue.PublicProject, parent: Node) -> None:
        super().__init__(request, project.normalized_name, parent)
        self.project = project

    @classmethod
    def find(cls, request: Request, name: str, parent: Node) -> Self:
        """The project of this name, in any spelling.

        Raises:
            KeyError: there is none that is public.
        """
        project = catalogue.find(request.uow.db, name)
        if project is None:
            raise KeyError(name)
        request.is_for_everybody = project.visibility == Visibility.PUBLIC
        return cls(request, project, parent)
