"""The request: a unit of work and an actor come with it."""

import zope.sqlalchemy
from pyramid.decorator import reify
from pyramid.request import Request as PyramidRequest
from zope.sqlalchemy.datamanager import STATUS_CHANGED

from greenroom.registry.index import Index, Premises
from greenroom.registry.permissions import Actor
from greenroom.web import security

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

LARGEST_FORM = 64 * 1024
"""Bytes of a form that is read as a whole; uploads are not."""


class Request(PyramidRequest):
    """A request to the index.

    ``index`` is its unit of work, which pyramid_tm commits when the view has answered and undoes
    when an exception left the view. Requests with a safe method read one snapshot and cannot write.
    """

    # Beyond it WebOb writes a body to a file, which it does not close.
    request_body_tempfile_limit = LARGEST_FORM

    @property
    def premises(self) -> Premises:
        """What the application was made with."""
        return self.registry.premises

    @reify
    def index(self) -> Index:
        """The unit of work; begun when first asked for."""
        premises = self.premises
        reads = self.method in SAFE_METHODS
        session = premises.database.reading() if reads else premises.database.writing()
        zope.sqlalchemy.register(session, initial_state=STATUS_CHANGED, transaction_manager=self.tm)
        index = Index(session, premises.storage, premises.settings, premises.clock())

        def follow_up(committed: bool) -> None:
            if committed:
                premises.follow_up(index)

        self.tm.get().addAfterCommitHook(follow_up)
        return index

    @reify
    def actor(self) -> Actor:
        """Who asks, by API token where one is sent, otherwise by session cookie.

        Raises:
            NotAuthenticated: a token is sent, and it is not valid.
        """
        return security.actor(self, self.index)

    @reify
    def person(self) -> Actor:
        """Who is signed in, for pages; tokens do not open pages."""
        return security.signed_in(self, self.index)

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
        for name in ("index", "actor", "person"):
            self.__dict__.pop(name, None)
