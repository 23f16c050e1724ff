"""An index to stand behind ours: a real server on loopback, in which faults can be switched on.

    with upstream_running() as upstream:
        upstream.add(make_wheel(folder, "thing", "1.0"), yanked="Breaks.")
        ... "GREENROOM_UPSTREAMS": f"up={upstream.url}" ...
        upstream.fail(upstream.file("thing-1.0-py3-none-any.whl"), CutOff(100), times=1)
        upstream.fail(EVERYTHING, Status(503))
        upstream.heal()
        upstream.go_away()      # nobody listens on its port
        upstream.come_back()    # on the same one
        assert upstream.asked(upstream.page("thing")) == 1

It has pages in HTML (PEP 503) and JSON (PEP 691, with what PEP 592, 658, 700, 708, 740 and 792
add), metadata files, ETags and conditional requests, Cache-Control, ranges, and connections that
last.
"""

import gzip
import hashlib
import html
import json
import socket
import socketserver
import threading
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

WAIT = 120
"""Seconds after which a test that waits for a request has failed."""

_NOW_AND_THEN = 2.0

EVERYTHING = "*"
"""In place of a path: whatever is asked for."""

HTML = "application/vnd.pypi.simple.v1+html"
JSON = "application/vnd.pypi.simple.v1+json"
UPLOADED = "2026-01-02T03:04:05.678900Z"
FOREVER = "max-age=365000000, immutable, public"


@dataclass(frozen=True)
class HeldFile:
    """A file of the index, and what its page says of it."""

    filename: str
    content: bytes
    metadata: bytes | None
    requires_python: str | None = None
    yanked: str | None = None
    upload_time: str | None = UPLOADED
    provenance: str | None = None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def path(self) -> str:
        """Where it is: as on PyPI, below its digest."""
        digest = hashlib.blake2b(self.content, digest_size=32).hexdigest()
        return f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{self.filename}"


@dataclass
class HeldProject:
    """A project of the index."""

    name: str
    files: list[HeldFile] = field(default_factory=list)
    status: str = ""
    status_reason: str = ""
    tracks: list[str] = field(default_factory=list)
    alternates: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """A request that came: its header is in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What is answered, before a fault changes it."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


# Faults


class Fault:
    """Something that is wrong with answers: they are changed, or sent in another way."""

    def change(self, answer: Answer) -> Answer:
        """What is answered in its place."""
        return answer

    def send(self, body: bytes, out: "Out") -> None:
        """Send the body, after the header was sent."""
        out.write(body)


@dataclass
class Out:
    """Where a body goes.

    Attributes:
        write: sends bytes.
        cut: ends the connection.
        gone: when the server ends.
    """

    write: Callable[[bytes], object]
    cut: Callable[[], None]
    gone: threading.Event


@dataclass
class Slow(Fault):
    """So many bytes of the body in a second."""

    bytes_per_second: int

    def send(self, body: bytes, out: Out) -> None:
        step = max(1, self.bytes_per_second // 20)
        for start in range(0, len(body), step):
            out.write(body[start : start + step])
            if out.gone.wait(step / self.bytes_per_second):
                return


@dataclass
class Held(Fault):
    """So many bytes of the body, and the rest when the test lets go: slow without a clock.

    Meanwhile a byte comes now and then, or whoever asks would think that nobody is there.
    """

    after: int = 0
    reached: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    released: threading.Event = field(default_factory=threading.Event)

    def wait(self, askers: int = 1) -> None:
        """Until so many more answers are held."""
        for _ in range(askers):
            assert self.reached.acquire(timeout=WAIT), "nobody asked"

    def release(self) -> None:
        """Send the rest of everything that is held, and all that comes after, at once."""
        self.released.set()

    def send(self, body: bytes, out: Out) -> None:
        sent = self.after
        out.write(body[:sent])
        self.reached.release()
        while not self.released.wait(_NOW_AND_THEN):
            if out.gone.is_set():
                return
            if sent + 1 < len(body):
                out.write(body[sent : sent + 1])
                sent += 1
        out.write(body[sent:])


@dataclass
class CutOff(Fault):
    """So many bytes of the body, and then the connection ends."""

    after: int

    def send(self, body: bytes, out: Out) -> None:
        out.write(body[: self.after])
        out.cut()


class Drops(Fault):
    """The connection ends without an answer."""


class Endless(Fault):
    """A body that has no length, and no end: it goes on until nobody listens."""

    def change(self, answer: Answer) -> Answer:
        return replace(answer, headers=_without(answer.headers, "Content-Length", "ETag"))

    def send(self, body: bytes, out: Out) -> None:
        out.write(body)
        while not out.gone.is_set():
            out.write(b" " * 65536)


class OtherBytes(Fault):
    """A body of the same length whose digest is another."""

    def change(self, answer: Answer) -> Answer:
        return replace(answer, body=bytes(byte ^ 1 for byte in answer.body))


@dataclass
class Says(Fault):
    """Another body, or another content type, or both."""

    body: bytes | None = None
    content_type: str | None = None

    def change(self, answer: Answer) -> Answer:
        headers = dict(answer.headers)
        if self.content_type is not None:
            headers["Content-Type"] = self.content_type
        return Answer(answer.status, headers, answer.body if self.body is None else self.body)


@dataclass
class Status(Fault):
    """Another status, such as 429 or 503, and when to come back."""

    status: int
    retry_after: int | str | None = None

    def change(self, answer: Answer) -> Answer:
        headers = {"Content-Type": "text/plain"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return Answer(self.status, headers, f"{HTTPStatus(self.status).phrase}\n".encode())


@dataclass
class Redirects(Fault):
    """Elsewhere: a path or a whole address."""

    to: str
    status: int = 302

    def change(self, answer: Answer) -> Answer:
        return Answer(self.status, {"Location": self.to})


@dataclass
class _Switched:
    fault: Fault
    left: int | None


# The index


class UpstreamServer:
    """A running index. Everything can be changed at any moment.

    Attributes:
        projects: by normalized name.
        speaks_json: whether pages come as JSON to whoever likes that better; HTML otherwise.
        cache_control: what is said of pages; empty: nothing.
        has_etags: whether pages have an ETag, and conditional requests are understood.
        compresses: whether pages come compressed to whoever likes that.
        has_ranges: whether parts of files are sent.
        file_origin: where pages say that files are: empty for links that are relative to the page.
        credentials: the user and the password of whoever may read; None: everybody may.
        requests: all that came, the oldest first.
    """

    def __init__(self) -> None:
        self.projects: dict[str, HeldProject] = {}
        self.speaks_json = True
        self.cache_control = "max-age=600, public"
        self.has_etags = True
        self.compresses = False
        self.has_ranges = True
        self.file_origin = ""
        self.credentials: tuple[str, str] | None = None
        self.requests: list[Asked] = []
        self._faults: dict[str, _Switched] = {}
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._at_most = 0
        self._port = 0
        self._running: tuple[_Listener, threading.Thread] | None = None

    # Where things are

    @property
    def origin(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """Of its simple index: what GREENROOM_UPSTREAMS takes."""
        return f"{self.origin}/simple/"

    def page(self, project: str) -> str:
        """The path of the page of a project."""
        return f"/simple/{canonicalize_name(project)}/"

    def file(self, filename: str) -> str:
        """The path of a file that is there. That of its metadata ends with ``.metadata``."""
        return self._file(filename).path

    def _file(self, filename: str) -> HeldFile:
        [found] = {
            file
            for project in self.projects.values()
            for file in project.files
            if file.filename == filename
        }
        return found

    # What is there

    def add(
        self,
        path: Path,
        *,
        requires_python: str | None = None,
        yanked: str | None = None,
        upload_time: str | None = UPLOADED,
        provenance: str | None = None,
        with_metadata: bool = True,
    ) -> HeldFile:
        """Put a distribution there; in place of the one of that name, where there is one.

        Args:
            path: what to take.
            requires_python: what the page says of it; so are the others.
            yanked: why; empty: without a reason.
            upload_time: in the form of PEP 700.
            provenance: an address.
            with_metadata: whether the metadata of a wheel can be had without the wheel.
        """
        is_wheel = path.suffix == ".whl"
        name = (
            parse_wheel_filename(path.name)[0] if is_wheel else parse_sdist_filename(path.name)[0]
        )
        file = HeldFile(
            path.name,
            path.read_bytes(),
            _metadata_in(path) if is_wheel and with_metadata else None,
            requires_python,
            yanked,
            upload_time,
            provenance,
        )
        project = self.project(name)
        project.files = [held for held in project.files if held.filename != path.name] + [file]
        return file

    def project(self, name: str) -> HeldProject:
        """A project, which is made where it is not there."""
        normalized = canonicalize_name(name)
        return self.projects.setdefault(normalized, HeldProject(normalized))

    def remove(self, name: str) -> None:
        """Let a project be gone."""
        del self.projects[canonicalize_name(name)]

    # What is wrong with it

    def fail(self, path: str, fault: Fault, times: int | None = None) -> None:
        """Switch a fault on, in place of what was wrong there.

        Args:
            path: as it is asked for, or EVERYTHING, which holds where nothing else does.
            fault: what is wrong.
            times: for so many requests; None: until it is healed.
        """
        with self._lock:
            self._faults[path] = _Switched(fault, times)

    def heal(self, path: str | None = None) -> None:
        """Switch off what is wrong with a path, or with all of them."""
        with self._lock:
            for healed in [path] if path is not None else list(self._faults):
                self._faults.pop(healed, None)

    def _fault_of(self, path: str) -> Fault:
        with self._lock:
            for place in (path, EVERYTHING):
                switched = self._faults.get(place)
                if switched is None:
                    continue
                if switched.left is not None:
                    switched.left -= 1
                    if not switched.left:
                        del self._faults[place]
                return switched.fault
        return Fault()

    def go_away(self) -> None:
        """End all connections, and refuse new ones."""
        if self._running is not None:
            listener, thread = self._running
            self._running = None
            listener.gone.set()
            listener.shutdown()
            listener.server_close()
            thread.join()
            with self._lock:
                for connection in self._open:
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)

    def come_back(self) -> None:
        """Listen again, where it listened before."""
        assert self._running is None
        listener = _Listener(self, self._port)
        self._port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        self._running = listener, thread

    # What came

    def asked(self, path: str | None = None, method: str = "GET") -> int:
        """How often a path was asked for; without one, how often anything was."""
        return len(self.requests_of(path, method))

    def requests_of(self, path: str | None = None, method: str = "GET") -> list[Asked]:
        """The requests of a path, or of all."""
        return [
            asked
            for asked in list(self.requests)
            if asked.method == method and path in (None, asked.path)
        ]

    @property
    def connections(self) -> int:
        """How many connections there are now."""
        with self._lock:
            return len(self._open)

    @property
    def most_connections(self) -> int:
        """How many there were at once, at most."""
        return self._at_most

    def forget(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self.requests.clear()
            self._at_most = len(self._open)

    def opened(self, connection: socket.socket) -> None:
        """A connection begins."""
        with self._lock:
            self._open.add(connection)
            self._at_most = max(self._at_most, len(self._open))

    def closed(self, connection: socket.socket) -> None:
        """A connection has ended."""
        with self._lock:
            self._open.discard(connection)

    # What it answers

    def answer(self, asked: Asked) -> tuple[Answer, Fault]:
        """What to answer, and what is wrong with that."""
        self.requests.append(asked)
        fault = self._fault_of(asked.path)
        if not self._may_read(asked):
            answer = Answer(401, {"WWW-Authenticate": 'Basic realm="index"'}, b"Who are you?\n")
        else:
            answer = self._find(asked)
        return fault.change(answer), fault

    def _may_read(self, asked: Asked) -> bool:
        if self.credentials is None:
            return True
        wanted = b64encode(":".join(self.credentials).encode()).decode()
        return asked.headers.get("authorization") == f"Basic {wanted}"

    def _find(self, asked: Asked) -> Answer:
        match asked.path.split("/"):
            case ["", "simple", ""]:
                return self._page_answer(asked, self._list(asked))
            case ["", "simple", name, ""] if name in self.projects:
                return self._page_answer(asked, self._project_page(asked, self.projects[name]))
            case ["", "simple", name] if name:
                return Answer(301, {"Location": self.page(name)})
            case ["", "packages", *_]:
                return self._file_answer(asked)
        return Answer(404, {"Content-Type": "text/plain"}, b"Not Found\n")

    def _page_answer(self, asked: Asked, page: bytes) -> Answer:
        headers = {"Content-Type": JSON if self._likes_json(asked) else HTML, "Vary": "Accept"}
        if self.cache_control:
            headers["Cache-Control"] = self.cache_control
        if self.has_etags:
            headers["ETag"] = f'"{hashlib.sha256(page).hexdigest()[:32]}"'
            if headers["ETag"] in asked.headers.get("if-none-match", ""):
                return Answer(304, _without(headers, "Content-Type"))
        if self.compresses and "gzip" in asked.headers.get("accept-encoding", ""):
            headers |= {"Content-Encoding": "gzip", "Vary": "Accept, Accept-Encoding"}
            page = gzip.compress(page, mtime=0)
        return Answer(200, headers, page)

    def _likes_json(self, asked: Asked) -> bool:
        return self.speaks_json and JSON in asked.headers.get("accept", "")

    def _list(self, asked: Asked) -> bytes:
        names = sorted(self.projects)
        if self._likes_json(asked):
            projects = [{"name": name} for name in names]
            return json.dumps({"meta": {"api-version": "1.4"}, "projects": projects}).encode()
        links = [f'<a href="{name}/">{name}</a><br>' for name in names]
        return _in_html("Simple index", links)

    def _project_page(self, asked: Asked, project: HeldProject) -> bytes:
        base = self.file_origin or "../.."
        if not self._likes_json(asked):
            return _in_html(project.name, [_link(file, base) for file in project.files], project)
        status = {"status": project.status, "reason": project.status_reason}
        tracks = {"tracks": project.tracks} if project.tracks else {}
        page = {
            "meta": {"api-version": "1.4"} | tracks,
            "name": project.name,
            "versions": list(dict.fromkeys(_version_of(file) for file in project.files)),
            "files": [_in_json(file, base) for file in project.files],
        } | ({"project-status": status} if project.status else {})
        if project.alternates:
            page["alternate-locations"] = project.alternates
        return json.dumps(page).encode()

    def _file_answer(self, asked: Asked) -> Answer:
        for project in list(self.projects.values()):
            for file in project.files:
                if asked.path == file.path:
                    return self._content_answer(asked, file.content)
                if asked.path == f"{file.path}.metadata" and file.metadata is not None:
                    return self._content_answer(asked, file.metadata)
        return Answer(404, {"Content-Type": "text/plain"}, b"Not Found\n")

    def _content_answer(self, asked: Asked, content: bytes) -> Answer:
        headers = {
            "Content-Type": "application/octet-stream",
            "Cache-Control": FOREVER,
            "ETag": f'"{hashlib.md5(content).hexdigest()}"',
        }
        wanted, unless = asked.headers.get("range"), asked.headers.get("if-range")
        if not self.has_ranges or wanted is None or unless not in (None, headers["ETag"]):
            return Answer(200, headers, content)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        begin = int(first) if first else max(0, len(content) - int(last))
        end = min(int(last) + 1 if first and last else len(content), len(content))
        if begin >= len(content):
            return Answer(416, {"Content-Range": f"bytes */{len(content)}"})
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(content)}"
        return Answer(206, headers, content[begin:end])


@contextmanager
def upstream_running(
    files: Sequence[Path] = (), *, credentials: tuple[str, str] | None = None
) -> Iterator[UpstreamServer]:
    """An index with these files that runs until the block ends."""
    made = UpstreamServer()
    made.credentials = credentials
    for path in files:
        made.add(path)
    made.come_back()
    try:
        yield made
    finally:
        made.go_away()


class _Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, upstream: UpstreamServer, port: int) -> None:
        self.upstream = upstream
        self.gone = threading.Event()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: "socket.socket | object", client_address: object) -> None:
        assert isinstance(request, socket.socket)
        self.upstream.opened(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: "socket.socket | object") -> None:
        assert isinstance(request, socket.socket)
        self.upstream.closed(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: whoever asked is gone."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Listener

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = urlsplit(self.path).path
        answer, fault = self.server.upstream.answer(Asked(self.command, path, headers))
        if isinstance(fault, Drops):
            self._cut()
            return
        self.send_response_only(answer.status)
        lengths = {} if isinstance(fault, Endless) else {"Content-Length": f"{len(answer.body)}"}
        if answer.status == HTTPStatus.NOT_MODIFIED:
            lengths = {}
        for name, value in {**answer.headers, **lengths}.items():
            self.send_header(name, value)
        if isinstance(fault, Endless):
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            fault.send(answer.body, Out(self.wfile.write, self._cut, self.server.gone))

    do_HEAD = do_GET  # noqa: N815

    def _cut(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def _metadata_in(wheel: Path) -> bytes | None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return archive.read(names[0]) if names else None


def _version_of(file: HeldFile) -> str:
    parse = parse_wheel_filename if file.filename.endswith(".whl") else parse_sdist_filename
    return str(parse(file.filename)[1])


def _in_json(file: HeldFile, base: str) -> dict[str, object]:
    said = {
        "filename": file.filename,
        "url": f"{base}{file.path}",
        "hashes": {"sha256": file.sha256},
        "size": len(file.content),
        "upload-time": file.upload_time,
        "requires-python": file.requires_python,
        "provenance": file.provenance,
    }
    metadata: object = False
    if file.metadata is not None:
        metadata = {"sha256": hashlib.sha256(file.metadata).hexdigest()}
    return {name: value for name, value in said.items() if value is not None} | {
        "yanked": False if file.yanked is None else file.yanked or True,
        "core-metadata": metadata,
    }


def _link(file: HeldFile, base: str) -> str:
    said = {"href": f"{base}{file.path}#sha256={file.sha256}"}
    if file.requires_python is not None:
        said["data-requires-python"] = file.requires_python
    if file.yanked is not None:
        said["data-yanked"] = file.yanked
    if file.metadata is not None:
        digest = f"sha256={hashlib.sha256(file.metadata).hexdigest()}"
        said |= {"data-core-metadata": digest, "data-dist-info-metadata": digest}
    if file.provenance is not None:
        said["data-provenance"] = file.provenance
    attributes = " ".join(f'{name}="{html.escape(value)}"' for name, value in said.items())
    return f"<a {attributes}>{file.filename}</a><br>"


def _in_html(title: str, links: Sequence[str], project: HeldProject | None = None) -> bytes:
    said = [("pypi:repository-version", "1.4")]
    if project is not None and project.status:
        said.append(("pypi:project-status", project.status))
        said.append(("pypi:project-status-reason", project.status_reason))
    if project is not None:
        said += [("pypi:tracks", url) for url in project.tracks]
        said += [("pypi:alternate-locations", url) for url in project.alternates]
    metas = [f'<meta name="{name}" content="{html.escape(text)}">' for name, text in said]
    lines = [
        *("<!DOCTYPE html>", "<html><head>", *metas, f"<title>{title}</title></head><body>"),
        *(*links, "</body></html>", ""),
    ]
    return "\n".join(lines).encode()


def _without(headers: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in names}
