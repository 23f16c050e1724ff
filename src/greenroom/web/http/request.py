"""The request: a unit of work and an actor come with it."""

from functools import partial
from urllib.parse import quote

from msgspec.structs import replace
from pyramid.decorator import reify
from pyramid.request import Request as PyramidRequest
from transaction import TransactionManager
from zope.sqlalchemy.datamanager import STATUS_ACTIVE, STATUS_CHANGED, join_transaction

from greenroom.models import User
from greenroom.registry import catalogue, sessions
from greenroom.registry.catalogue import Reader
from greenroom.registry.permissions import ANONYMOUS, Actor, Person
from greenroom.registry.unit_of_work import Origin, Services, UnitOfWork
from greenroom.web.http import authentication
from greenroom.web.http.late_writes import after_answer
from greenroom.web.http.urls import Urls

REQUEST_ID = "greenroom.request_id"
"""Where the server says, in the WSGI environment, by which name the request stands in the log."""

VOUCHED_USER = authentication.VOUCHED_USER

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

LARGEST_FORM = 64 * 1024
"""Bytes of a form that is read as a whole; uploads are not."""


class Request(PyramidRequest):
    """A request to the index.

    ``uow`` is its unit of work, which pyramid_tm commits when the view has answered and undoes
    when an exception left the view. Requests with a safe method read one snapshot and cannot write.
    """

    names_host: bool = False
    """Whether the answer has an address in it that is the index's only because the client says so.

    The proxies' middleware lets no shared cache keep such an answer.
    """

    reader: Reader = Reader()
    """Who reads, where not everybody may read everything: nobody, until it is known who asks."""

    reads_as: Actor | None = None
    """Who that is, where it was looked for."""

    is_stranger: bool = True
    """Whether the answer is for whoever asks, where not everybody may read everything."""

    is_for_everybody: bool = False
    """Whether the answer is of one project that everybody may read, whoever asks."""

    names_client_as_stranger: bool = False
    """Whether a proxy that is not trusted has passed it on, so that nobody knows whose it is."""

    asks_no_upstream: bool = False
    """Whether a draft keeps the name from the indexes behind this one, which nobody may notice."""

    has_asked_upstream: bool = False
    """Whether an index behind this one was asked meanwhile, in the request's own time."""

    given_reason: str = ""
    """Why an administrator does what a form asks for, in that form."""

    # Beyond it WebOb writes a body to a file, which it does not close.
    request_body_tempfile_limit = LARGEST_FORM

    @reify
    def tm(self) -> TransactionManager:
        """The transaction manager, by which pyramid_tm ends the unit of work."""
        return TransactionManager(explicit=True)

    @reify
    def services(self) -> Services:
        """What the application was made with, for what comes from where this request comes."""
        services: Services = self.registry.services
        return services.coming_from(self.origin)

    @property
    def origin(self) -> Origin:
        """From where the request comes, for the audit log."""
        return Origin(self.remote_addr, self.environ.get(REQUEST_ID))

    @property
    def address(self) -> str:
        """The address that limits count it against; ``unknown`` where the server knows none."""
        return self.remote_addr or "unknown"

    @property
    def vouched_user(self) -> str | None:
        """The name of whom a trusted proxy has signed in, None where it has not."""
        name: str | None = self.environ.get(VOUCHED_USER)
        return name

    @reify
    def paths(self) -> Urls:
        """Addresses as paths from the root of the site, for links in pages."""
        return Urls(quote(self.script_name))

    @reify
    def urls(self) -> Urls:
        """Addresses as whole URLs, for programs, and for people to copy."""
        self.names_host = self.services.settings.url is None
        return Urls(self.application_url)

    @reify
    def uow(self) -> UnitOfWork:
        """The unit of work; begun when first asked for."""
        services = self.services
        reads = self.method in SAFE_METHODS
        db = services.database.reading() if reads else services.database.writing()
        # What only reads is closed at the end, everything else is committed: nothing has to listen
        # to the session for what it changes.
        join_transaction(db, STATUS_ACTIVE if reads else STATUS_CHANGED, self.tm)
        if services.settings.read != "public":
            catalogue.limit(db, self.reader)
        return services.unit_of_work(db)

    @reify
    def actor(self) -> Actor:
        """Who asks, by API token where one is sent, otherwise by session cookie.

        Raises:
            NotAuthenticated: a token is sent, and it is not valid.
        """
        if self.headers.get("Authorization") is None:
            return self.person
        return authentication.token_actor(self, self.uow)

    @reify
    def signed_in(self) -> Person | None:
        """Who is signed in, with the session; tokens do not open pages.

        That the session was used is noted once the request is answered.
        """
        person = authentication.signed_in(self, self.uow)
        session = person.session if person is not None else None
        if session is not None and sessions.is_use_due(self.uow, session):
            note = partial(sessions.note_use, session_id=session.id)
            after_answer(self, note)
        return person

    @property
    def user(self) -> User | None:
        """The account of who is signed in."""
        return self.signed_in.user if self.signed_in is not None else None

    @property
    def person(self) -> Actor:
        """Who is signed in, as an actor: what pages ask for permission.

        An administrator brings the reason that the form gives.
        """
        person = self.signed_in
        if person is not None and self.given_reason and person.is_administrator:
            return replace(person, why=self.given_reason)
        return person or ANONYMOUS

    def give_up_unit_of_work(self) -> None:
        """End the unit of work without a change, so that what takes long holds nobody up.

        What is asked for afterwards begins another one.
        """
        self.tm.abort()
        self._begin_anew()

    def commit_unit_of_work(self) -> None:
        """End the unit of work with what it has changed; the view goes on with another one."""
        self.tm.commit()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.tm.begin()
        for name in ("uow", "actor", "signed_in"):
            self.__dict__.pop(name, None)
