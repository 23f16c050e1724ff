"""What has to be done before a request can be answered: see :mod:`greenroom.registry.preparations`.

Descriptions are rendered, and indexes behind this one are asked whether they have a name.
"""

from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.response import Response
from pyramid.tweens import EXCVIEW

from greenroom.registry.preparations import NotPrepared, with_preparations
from greenroom.web.http.request import Request

Handler = Callable[[Request], Response]


def includeme(config: Configurator) -> None:
    """Stand within the transaction of the request, and before what turns exceptions into pages."""
    config.add_tween("greenroom.web.http.preparations.prepare_first", under=EXCVIEW)


def prepare_first(handler: Handler, registry: Registry) -> Handler:
    """Prepare what a request needs with its unit of work ended, and handle it once more."""

    def tween(request: Request) -> Response:
        def handle() -> Response:
            try:
                return handler(request)
            except NotPrepared:
                request.give_up_unit_of_work()
                if request.is_body_seekable:
                    request.body_file_seekable.seek(0)
                raise

        return with_preparations(request.services, handle)

    return tween
