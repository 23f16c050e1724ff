"""Staging where there is no Upload 2.0: the legacy API with its flag, which is asked for first."""

import contextlib
import sys
from typing import Any

import requests
from requests.exceptions import RequestException
from twine.repository import Repository

from twine_stage import uploads
from twine_stage.connection import Answer, origin, printable, refusal
from twine_stage.dists import Dist
from twine_stage.errors import Failure, Refused, Unreachable
from twine_stage.target import Target, staged_url
from twine_stage.uploads import Session

_FLAG = "staged"
# What is neither true nor false, and no file: an index that knows the flag says so.
_NEITHER = "neither"


def knows_staging(repository: Repository, target: Target) -> bool:
    """Whether the index knows the flag, asked with a request that uploads nothing.

    An index that does not know it would publish what it is sent, at once and for everybody.

    Raises:
        Refused: the credentials are not accepted.
        Unreachable: the index does not answer.
    """
    form = {":action": (None, "file_upload"), "protocol_version": (None, "1")}
    try:
        response = repository.session.post(
            staged_url(target.repository, _NEITHER),
            files=form,
            allow_redirects=False,
            timeout=60,
        )
    except RequestException as error:
        raise Unreachable(f"{origin(target.repository)} does not answer.") from error
    if response.status_code in (401, 403):
        raise refusal(response)
    said = f"{response.reason} {response.text}".lower()
    return response.status_code == 400 and _FLAG in said


class LegacyStaging:
    """Stages files one after the other, as ``twine upload`` does."""

    def __init__(self, target: Target, release_set: str | None = None) -> None:
        self.target = target
        self.repository = target.open_repository()
        self.repository.url = staged_url(target.repository, release_set=release_set)
        if not sys.stderr.isatty():
            self.repository.disable_progress_bar = True

    def check(self) -> None:
        """Nothing, if the index can stage.

        Raises:
            Failure: it cannot, or it does not want to.
        """
        if not knows_staging(self.repository, self.target):
            raise Failure(
                f"{self.target.repository} has neither Upload 2.0 nor staged uploads: nothing was "
                "uploaded, because it would have been published."
            )

    def stage(self, dist: Dist) -> tuple[Session, bool] | None:
        """Upload one file; gives the session that it is in, and whether this opened it.

        None where the index says that the file is published, with this very content.

        Raises:
            Refused: the index will not have the file.
            Unreachable: it does not answer.
            Failure: it does not say that the file was staged.
        """
        try:
            # Twine prints what it does, where scripts read what we say.
            with contextlib.redirect_stdout(sys.stderr):
                response = self.repository.upload(dist.package)
        except RequestException as error:
            raise Unreachable(f"{origin(self.target.repository)} does not answer.") from error
        if response.is_redirect:
            raise Failure(f"{origin(self.target.repository)} redirects the upload elsewhere.")
        if not response.ok:
            raise refusal(response)
        session = self._session(response, dist)
        return (session, response.status_code == 201) if session is not None else None

    def _session(self, response: requests.Response, dist: Dist) -> Session | None:
        try:
            body = response.json()
        except ValueError:
            body = None
        body = body if isinstance(body, dict) else {}
        notices = body.get("notices")
        sentences = [printable(str(text)) for text in notices] if isinstance(notices, list) else []
        if any(text.startswith(f"{dist.filename} is published") for text in sentences):
            return None
        if "status" not in body and sentences:
            raise Refused(409, sentences)
        try:
            answer = Answer(response.status_code, response.headers, body)
            return uploads.parse_session(answer, _stage(body))
        except Failure as failure:
            raise Failure(
                f"The index took {dist.filename} without saying that it is staged: look whether "
                "it is public."
            ) from failure


def _stage(body: dict[str, Any]) -> str | None:
    """The draft's address, which names a session that has none of its own."""
    links = body.get("links")
    stage = links.get("stage") if isinstance(links, dict) else None
    return stage if isinstance(stage, str) else None
