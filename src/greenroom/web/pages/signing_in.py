"""Pages for people who are signed in: everybody else is asked to sign in first.

Where this index wants a second factor of somebody who has none, it leads there first. Both come
before anything is looked for, so that the answer is the same for what is there and what is not.
"""

from pyramid.config import Configurator
from pyramid.events import BeforeTraversal

from greenroom.web.http import authentication
from greenroom.web.http.request import SAFE_METHODS, Request
from greenroom.web.http.traversal import branch_of, segments
from greenroom.web.pages.redirects import see_other, user_or_sign_in

_WANTED = (
    "This index wants a second factor of you: add an authenticator app or a passkey, and then go "
    "on."
)


def includeme(config: Configurator) -> None:
    """Ask whoever is not signed in to do so, below addresses that are for nobody else."""
    config.add_subscriber(_require_sign_in, BeforeTraversal)


def _require_sign_in(event: BeforeTraversal) -> None:
    branch = branch_of(event.request)
    if branch.is_for_signed_in:
        user_or_sign_in(event.request)
    if branch.open_before_enrolment is not None:
        _require_second_factor(event.request, branch.open_before_enrolment)


def _require_second_factor(request: Request, always_open: frozenset[str]) -> None:
    """Lead whoever has yet to add a second factor, which this index wants, to where they do."""
    if request.services.settings.require_second_factor == "none":
        return
    if not authentication.has_session(request) or (*segments(request), "", "")[1] in always_open:
        return
    person = request.signed_in
    if person is not None and person.session is not None and person.session.must_enrol:
        raise see_other(request, request.paths.second_factors(), _WANTED)
    if request.method not in SAFE_METHODS:
        request.give_up_unit_of_work()  # the view may have units of work of its own
