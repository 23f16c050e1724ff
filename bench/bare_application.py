"""An application that does nothing, for servers that are measured; twice, as WSGI and as ASGI."""

from collections.abc import Awaitable, Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

REASON = "Only what is said here tells the client why"
BODY = b"ok\n"
FEW = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]
# As many as an answer of the index has.
MANY = FEW + [(f"X-Header-{number}", "a value of some length") for number in range(10)]

Message = dict[str, object]


def wsgi(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers `/refuse` with a sentence in the status, `/count` with the size of what was sent."""
    path = environ["PATH_INFO"]
    if path == "/count":
        text = str(len(environ["wsgi.input"].read())).encode()
        start_response("200 OK", [("Content-Length", str(len(text)))])
        return [text]
    status = f"400 {REASON}" if path == "/refuse" else "200 OK"
    start_response(status, MANY if path == "/many" else FEW)
    return [BODY]


async def asgi(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """The same; ASGI has no place for the sentence."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    path = scope["path"]
    headers, body = MANY if path == "/many" else FEW, BODY
    if path == "/count":
        body = str(await _received(receive)).encode()
        headers = [("Content-Length", str(len(body)))]
    lines = [(name.lower().encode(), value.encode()) for name, value in headers]
    status = 400 if path == "/refuse" else 200
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body})


async def _live(
    receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    for _ in ("startup", "shutdown"):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})


async def _received(receive: Callable[[], Awaitable[Message]]) -> int:
    size, more = 0, True
    while more:
        message = await receive()
        body = message.get("body", b"")
        assert isinstance(body, bytes)
        size += len(body)
        more = bool(message.get("more_body"))
    return size
