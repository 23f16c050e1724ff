"""Descriptions that have to be rendered before a request can be answered."""

from collections.abc import Callable

from pyramid.config import Configurator
from pyramid.registry import Registry
from pyramid.response import Response
from pyramid.tweens import EXCVIEW

from greenroom.registry import releases
from greenroom.registry.releases import NotRendered
from greenroom.web.http.request import Request

Handler = Callable[[Request], Response]


def includeme(config: Configurator) -> None:
    """Stand within the transaction of the request, and before what turns exceptions into pages."""
    config.add_tween("greenroom.web.http.renderings.render_first", under=EXCVIEW)


def render_first(handler: Handler, registry: Registry) -> Handler:
    """Render what a request needs with its unit of work ended, and handle it once more.

    See :func:`greenroom.registry.releases.with_renderings`.
    """

    def tween(request: Request) -> Response:
        def handle() -> Response:
            try:
                return handler(request)
            except NotRendered:
                request.give_up_unit_of_work()
                if request.is_body_seekable:
                    request.body_file_seekable.seek(0)
                raise

        return releases.with_renderings(handle)

    return tween
