"""Where a draft is found, and the line that installs from it: for pages and for programs."""

from urllib.parse import quote

from greenroom.models import Draft
from greenroom.web.request import Request


def draft_url(request: Request, draft: Draft, *path: str) -> str:
    """The absolute address of the draft's page, or of something below it."""
    below = "/".join(quote(part) for part in path)
    return f"{request.application_url}/draft/{draft.slug}/{below}"


def stage_url(request: Request, draft: Draft) -> str:
    """The draft's simple index, which installers take."""
    return f"{draft_url(request, draft, 'simple')}/"


def session_url(request: Request, draft: Draft) -> str:
    """The draft as a publishing session of Upload 2.0; it takes credentials."""
    return f"{request.application_url}/upload/2.0/session/{draft.key}/"


def install_command(request: Request, draft: Draft) -> str:
    """The line that installs the draft with pip."""
    requirement = f"{draft.project_name}=={draft.version}"
    return f"pip install --extra-index-url {stage_url(request, draft)} {requirement}"


def manage_url(request: Request, draft: Draft) -> str:
    """The absolute address of the draft's manage page."""
    version = quote(draft.version)
    return f"{request.application_url}/manage/project/{draft.project_name}/draft/{version}/"
