"""A request as WSGI applications get it (PEP 3333)."""

import sys
from typing import Any
from urllib.parse import unquote_to_bytes

from gunicorn.asgi.parser import CallbackRequest

_PLAIN = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}


def make_environ(
    request: CallbackRequest, server: tuple[Any, ...] | None, client: tuple[Any, ...] | None
) -> dict[str, Any]:
    """What an application is called with, without what concerns the body.

    Args:
        request: as gunicorn has read it.
        server: the address that was connected to.
        client: the address of who connected, which is not looked further into.
    """
    target = request.uri or "/"
    path, _, query = target.partition("?")
    if not path.startswith("/"):  # the absolute form, as proxies get it
        path = "/" + path.partition("://")[2].partition("/")[2]
    major, minor = request.version or (1, 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
        "QUERY_STRING": query,
        "RAW_URI": target,
        "SERVER_PROTOCOL": f"HTTP/{major}.{minor}",
        "SERVER_NAME": str(server[0]) if server else "localhost",
        "SERVER_PORT": str(server[1]) if server else "80",
        "REMOTE_ADDR": str(client[0]) if client else "",
        "REMOTE_PORT": str(client[1]) if client else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": request.scheme,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    for name, value in request.headers_bytes:
        key = _PLAIN.get(name) or "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        former = environ.get(key)
        environ[key] = text if former is None else f"{former},{text}"
    return environ
