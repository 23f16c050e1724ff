"""``POST /legacy/``: one file, direct or staged.

The checks run in the order of ``docs/uploading.md``, and the first that fails answers. Credentials
are looked at before anything is read, and decide how much is; what needs no file is checked when
the file begins to arrive, so that nobody sends a gigabyte to be told that the token is wrong. All
of it is checked again when the file is taken in.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from pyramid.response import Response
from pyramid.view import view_config

from greenroom.registry import drafts, file_rules, release_sets, uploads
from greenroom.registry.arriving import Share
from greenroom.registry.artifacts import TooManyBytes
from greenroom.registry.errors import (
    FileExists,
    FileReserved,
    NotAuthenticated,
    NotFound,
    OutOfSpace,
    Refusal,
    TooLarge,
    TooMany,
)
from greenroom.registry.permissions import Actor
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.uploads import Accepted, Admission
from greenroom.web.http import authentication, errors
from greenroom.web.http.content_coding import COMPRESSED, is_compressed
from greenroom.web.http.multipart import (
    BrokenForm,
    ReceivedForm,
    TooMuchText,
    receive,
)
from greenroom.web.http.problem_details import API_VERSION
from greenroom.web.http.refusals import TEXT
from greenroom.web.http.request import Request
from greenroom.web.http.upload_refusals import upload_refusal
from greenroom.web.uploads.counting import counted_upload
from greenroom.web.uploads.legacy import forms
from greenroom.web.uploads.legacy.advice import sentences
from greenroom.web.uploads.legacy.forms import BadForm, Fields, MissingField, RetiredAction
from greenroom.web.uploads.legacy.resources import LegacyUpload
from greenroom.web.uploads.session_body import session_response

# What a form may have besides its file, and that of somebody without valid credentials.
_MOST_TEXT = 16 * 1024**2
_MOST_TEXT_OF_ANYONE = 256 * 1024
_SIGNATURE = "gpg_signature"

# Upload clients that are told to skip what is there look for these words in a refusal. Only the
# index may say them, not a name or a value that somebody sent.
_SKIPS = re.compile(
    r"(already)\s+(exist)|(updating)\s+(asset)|(overwrite)\s+(artifact)|(been)\s+(taken)"
    r"|(cannot)\s+(be)\s+(updated)",
    re.IGNORECASE,
)

# Where this dialect differs from the others. What an upload names and is not there, such as a
# release set, is no address that takes no uploads, as which clients are told of 404.
_STATUS: dict[type[Refusal], int] = {NotAuthenticated: 403, NotFound: 400, RetiredAction: 410}


@view_config(context=LegacyUpload, request_method="POST", require_csrf=False)
def upload(context: LegacyUpload, request: Request) -> Response:
    """Take one file into the index, or say why not."""
    try:
        with counted_upload():
            if is_compressed(request):
                raise BadForm(COMPRESSED)
            reception = _Reception(request)
            with reception.received() as form:
                return _take(reception, form)
    except Refusal as refusal:
        return _refused(request, refusal)


@view_config(context=LegacyUpload, require_csrf=False)
def not_an_upload(context: LegacyUpload, request: Request) -> Response:
    """Uploads are sent with POST; everything else says so."""
    response = Response(
        "This is where upload clients send files, with POST.\n", 405, content_type="text/plain"
    )
    response.allow = ["POST"]
    return response


class _Reception:
    """An upload that is being received: who sends it, and what is certain so far."""

    def __init__(self, request: Request) -> None:
        """Look at the credentials, and at nothing else of the request."""
        self.request = request
        self.admission: Admission | None = None
        self._actor: Actor | None = None
        self._refusal = NotAuthenticated(authentication.INVALID)
        try:
            with request.services.reading() as uow:
                self._actor = _actor(request, uow)
        except NotAuthenticated as refusal:
            self._refusal = refusal

    def actor(self) -> Actor:
        """Who sends it, as it was when it began; what is written asks again.

        Raises:
            NotAuthenticated: the request has no valid token.
        """
        if self._actor is None:
            raise self._refusal
        return self._actor

    @contextmanager
    def received(self) -> Iterator[ReceivedForm]:
        """The form, its file in a temporary file that is removed afterwards."""
        settings = self.request.services.settings
        try:
            form = receive(
                self.request.environ["wsgi.input"],
                self.request.headers.get("Content-Type"),
                file_field="content",
                ignored_files=(_SIGNATURE,),
                folder=self.request.services.storage.incoming,
                max_file_size=settings.max_file_size,
                max_text_size=_MOST_TEXT if self._actor is not None else _MOST_TEXT_OF_ANYONE,
                before_file=self._before_file,
            )
        except TooMuchText as error:
            self.actor()
            raise BadForm(error.sentence) from None
        except BrokenForm as error:
            raise BadForm(error.sentence) from None
        except TooManyBytes as error:
            raise TooLarge(file_rules.file_too_large(error.limit)) from None
        with form:
            yield form

    def _before_file(self, fields: Fields, problems: Sequence[str], filename: str) -> Share:
        share = self._check_without_file(fields, problems, filename)
        limit = self.request.services.settings.max_file_size
        if (self.request.content_length or 0) > limit + _MOST_TEXT:
            raise TooLarge(file_rules.file_too_large(limit))
        return share

    def _check_without_file(self, fields: Fields, problems: Sequence[str], filename: str) -> Share:
        """All that is certain when only the fields before the file have arrived.

        Fields may come after the file, so that what is missing is no fault yet. The flag may come
        too, so that no more is asked of the actor than staging needs.
        """
        services, query = self.request.services, _query(self.request)
        if forms.has_action(fields, query):
            forms.check_protocol(fields, query)
        actor = self.actor()
        staged = forms.parse_staged(fields, query, self.request.headers.items())
        into = forms.parse_set(fields, query, staged=staged)
        forms.check_text(problems)
        try:
            claims = forms.parse_claims(fields, private=services.settings.private)
        except MissingField:
            with services.reading() as uow:
                return uploads.share(uow, actor, filename, None)
        with services.reading() as uow:
            self.admission = uploads.look_ahead(uow, actor, filename, claims, staged=staged)
            if into is not None and self.admission is not None:
                release_sets.check_can_join(uow, actor, claims.name, claims.version, into)
            return uploads.share(uow, actor, filename, claims)


def _take(reception: _Reception, form: ReceivedForm) -> Response:
    request = reception.request
    services, query = request.services, _query(request)
    forms.check_protocol(form.fields, query)
    actor = reception.actor()
    staged = forms.parse_staged(form.fields, query, request.headers.items())
    into = forms.parse_set(form.fields, query, staged=staged)
    forms.check_text(form.problems)
    claims = forms.parse_claims(form.fields, private=services.settings.private)
    if form.file is None:
        with services.reading() as uow:
            uploads.check_actor(uow, actor, claims.name, staged=staged)
        raise BadForm("The form has no file: send it in the field 'content'.")
    accepted = uploads.upload_file(
        services,
        partial(_actor, request),
        form.file.artifact,
        claims,
        staged=staged,
        content_type=form.file.content_type,
        admission=reception.admission,
        into=into,
    )
    notices = []
    if _SIGNATURE in form.thrown_away or _SIGNATURE in form.fields:
        notices.append(f"The signature of {form.file.artifact.filename} is not kept.")
    if not staged:
        notices += [accepted.warning] if accepted.warning else []
        return Response("".join(f"{notice}\n" for notice in notices), content_type="text/plain")
    return _staged(request, form.file.artifact.filename, accepted, notices)


def _actor(request: Request, uow: UnitOfWork) -> Actor:
    return authentication.token_actor(request, uow)


def _query(request: Request) -> Fields:
    try:
        return request.GET.dict_of_lists()
    except UnicodeDecodeError:
        raise BadForm("The query of the upload URL is not UTF-8.") from None


def _staged(
    request: Request, filename: str, accepted: Accepted, notices: Sequence[str]
) -> Response:
    """The draft that the file is in, with these notices and what became of the file."""
    notices = list(notices)
    if accepted.published:
        notices.append(f"{filename} is published with this very content: nothing was staged.")
    elif not accepted.changed:
        notices.append(f"{filename} is in the draft with this very content.")
    with request.services.reading() as uow:
        draft = drafts.by_key(uow.db, accepted.draft_key) if accepted.draft_key else None
        if draft is None:
            response = Response(
                json_body={"meta": {"api-version": API_VERSION}, "notices": notices}
            )
            response.headers["Cache-Control"] = "private, no-store"
            return response
        status = 201 if accepted.opened else 200
        return session_response(request, uow, draft, status=status, notices=notices)


def _refused(request: Request, refusal: Refusal) -> Response:
    """The sentence in the status line, which twine prints, and in the body, which others do."""
    status = _STATUS.get(type(refusal)) or TEXT.status(type(refusal))
    sentence, *errors_ = [_said(refusal, text) for text in sentences(request, refusal)]
    response = upload_refusal(request, status, refusal.code, sentence, errors_)
    if isinstance(refusal, TooMany):
        response.retry_after = errors.retry_after(refusal)
    if isinstance(refusal, OutOfSpace):
        response.retry_after = errors.FULL_RETRY_AFTER
    return response


def _said(refusal: Refusal, sentence: str) -> str:
    if isinstance(refusal, (FileExists, FileReserved)):
        return sentence
    return _SKIPS.sub(lambda found: "-".join(filter(None, found.groups())), sentence)
