"""What upload clients are told besides the facts of a refusal: where to go, what to send instead.

They print a sentence and nothing else, so that it has to be all there.
"""

from greenroom.registry.errors import DraftIsOpen, DraftsOnly, NotAllowed, Refusal
from greenroom.web.http.request import Request
from greenroom.web.http.urls import STAGED

_WITH_FLAG = f"(put {STAGED} behind the upload URL)"


def sentences(request: Request, refusal: Refusal) -> list[str]:
    """The refusal's sentence, and then each of its reasons."""
    told = _told(request, refusal)
    if told is not None:
        return [told, told]
    return [str(refusal), *refusal.details]


def _told(request: Request, refusal: Refusal) -> str | None:
    match refusal:
        case DraftIsOpen(project_name=name, version=version):
            return (
                f"{refusal.fact} Add the file to the draft {_WITH_FLAG}, or publish or discard the "
                f"draft first: {request.urls.managed_draft_named(name, version)}"
            )
        case DraftsOnly():
            return f"{refusal.fact} Upload this file as a draft {_WITH_FLAG}, then {refusal.then}."
        case NotAllowed(may_stage=True):
            return f"{refusal} Add {STAGED} to the upload URL to upload a draft."
        case _:
            return None
