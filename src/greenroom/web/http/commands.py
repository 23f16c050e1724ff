"""The lines that people copy into a terminal or a configuration file."""

from collections.abc import Sequence
from shlex import quote
from typing import Protocol

from greenroom.web.http.request import Request
from greenroom.web.http.urls import HasName, HasRelease, HasSlug, HasVersion


class InstallableDraft(HasRelease, HasSlug, Protocol):
    """A draft: its secret, and what it is of."""


def install(request: Request, project: HasName, release: HasVersion | None = None) -> str:
    """The line that installs the project, or exactly this release of it, with pip."""
    requirement = project.name if release is None else f"{project.name}=={release.version}"
    return f"pip install --index-url {request.urls.simple_index()} {quote(requirement)}"


def install_draft(request: Request, draft: InstallableDraft) -> str:
    """The line that installs the draft with pip, and what it depends on from this index.

    Without ``--index-url``, pip would look up private dependencies on a public index. Where there
    are upstreams, they may have a project of the same name: then it is one address, which answers
    for each name from one index.
    """
    if request.services.settings.upstreams:
        return install_draft_from_one_index(request, draft)
    requirement = f"{draft.project_name}=={draft.version}"
    return (
        f"pip install --index-url {request.urls.simple_index()} "
        f"--extra-index-url {request.urls.draft_index(draft)} {quote(requirement)}"
    )


class HasFiles(HasRelease, Protocol):
    """A draft, by what it is of, and how much there is of it."""

    @property
    def file_count(self) -> int:
        """How many files are staged in it."""


class InstallableSet(HasSlug, Protocol):
    """A release set: its secret, and what its drafts are of."""

    @property
    def members(self) -> Sequence[HasFiles]:
        """Its drafts."""


def install_set(request: Request, release_set: InstallableSet) -> str:
    """The line that installs all drafts of a release set with pip, as for one of them.

    Empty where none has files.
    """
    if request.services.settings.upstreams:
        return install_set_from_one_index(request, release_set)
    there = [draft for draft in release_set.members if draft.file_count]
    if not there:
        return ""
    wanted = " ".join(quote(f"{draft.project_name}=={draft.version}") for draft in there)
    return (
        f"pip install --index-url {request.urls.simple_index()} "
        f"--extra-index-url {request.urls.draft_index(release_set)} {wanted}"
    )


def install_set_from_one_index(request: Request, release_set: InstallableSet) -> str:
    """The line that does the same with one address, for installers that know but one."""
    there = [draft for draft in release_set.members if draft.file_count]
    if not there:
        return ""
    wanted = " ".join(quote(f"{draft.project_name}=={draft.version}") for draft in there)
    return f"pip install --index-url {request.urls.full_draft_index(release_set)} {wanted}"


def upload_to_set(request: Request, name: str) -> str:
    """The line that uploads a draft into the release set of this name with twine."""
    url = f"{request.urls.legacy_upload(staged=True)}&set={name}"
    return f"twine upload --repository-url {quote(url)} -u __token__ dist/*"


def install_draft_from_one_index(request: Request, draft: InstallableDraft) -> str:
    """The line that does the same with one address, for installers that know but one."""
    requirement = f"{draft.project_name}=={draft.version}"
    return f"pip install --index-url {request.urls.full_draft_index(draft)} {quote(requirement)}"


def upload_draft(request: Request) -> str:
    """The line that uploads a draft with twine; a shell must not read the question mark."""
    url = request.urls.legacy_upload(staged=True)
    return f"twine upload --repository-url {quote(url)} -u __token__ dist/*"


def pypirc(request: Request, token: str) -> str:
    """A ``.pypirc`` with two repositories: one for drafts, one that publishes."""
    return "\n".join(
        [
            "[distutils]",
            "index-servers =",
            "    greenroom",
            "    greenroom-draft",
            "",
            "[greenroom]",
            f"repository = {request.urls.legacy_upload(staged=False)}",
            "username = __token__",
            f"password = {token}",
            "",
            "[greenroom-draft]",
            f"repository = {request.urls.legacy_upload(staged=True)}",
            "username = __token__",
            f"password = {token}",
        ]
    )
