"""The lines that people copy into a terminal or a configuration file."""

from shlex import quote

from greenroom.models import Project, Release
from greenroom.web.request import Request


def simple_url(request: Request) -> str:
    """The simple index, which installers take."""
    return f"{request.application_url}/simple/"


def upload_url(request: Request) -> str:
    """Where uploaders send files that are published at once."""
    return f"{request.application_url}/legacy/"


def staged_upload_url(request: Request) -> str:
    """Where uploaders send files that go into a draft."""
    return f"{upload_url(request)}?staged=true"


def install_command(request: Request, project: Project, release: Release | None = None) -> str:
    """The line that installs the project, or exactly this release of it, with pip."""
    requirement = project.name if release is None else f"{project.name}=={release.version}"
    return f"pip install --index-url {simple_url(request)} {quote(requirement)}"


def staged_upload_command(request: Request) -> str:
    """The line that uploads a draft with twine; a shell must not read the question mark."""
    return f"twine upload --repository-url {quote(staged_upload_url(request))} dist/*"


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
            f"repository = {upload_url(request)}",
            "username = __token__",
            f"password = {token}",
            "",
            "[greenroom-draft]",
            f"repository = {staged_upload_url(request)}",
            "username = __token__",
            f"password = {token}",
        ]
    )
