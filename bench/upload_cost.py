"""Where each millisecond of the upload of a small wheel goes.

    python -m bench.upload_cost [--uploads N] [--statements]

Uploads wheels of about 1 kB, each release with a description of its own, in every way there is:
first in this process, through the WSGI application, with the steps timed; then against `greenroom
serve`.
Prints the processor time of each step and of the whole, with that of the processes that render
descriptions, the statements that the database is sent, and the flushes that the storage waits for
(each commit of the database waits for one more). Linux only, for it reads /proc.
"""

import argparse
import hashlib
import http.client
import importlib
import io
import json
import os
import resource
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial, wraps
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

from msgspec.structs import replace
from sqlalchemy import event

from bench.running_index import running_index
from greenroom.registry import accounts, tokens
from greenroom.registry.permissions import DEFAULT_TOKEN_PERMISSIONS
from greenroom.registry.unit_of_work import Services
from greenroom.services import open_services
from greenroom.settings import Settings
from greenroom.web.application import make_app
from tests.artifacts import make_wheel

BOUNDARY = "a-boundary-of-the-bench"
# No limit of the index is what is measured.
LIMITS = ("new_projects_per_hour", "new_projects_per_day", "uploads_per_hour")
API = "application/vnd.pypi.upload.v2+json"

# What is timed: a function, and the step that it is part of. What a step calls that is a step of
# its own counts there alone.
STEPS = {
    "greenroom.web.http.multipart:_FormInTheMaking.take": "receive: form",
    "greenroom.web.uploads.legacy.views:_Reception._check_without_file": "check before the file",
    "greenroom.registry.artifacts:Receiver.__init__": "receive: file aside",
    "greenroom.registry.artifacts:Receiver.add": "receive: write and hash",
    "greenroom.registry.uploads:check_actor": "check: who, rights",
    "greenroom.registry.upload_places:place": "check: file, rules",
    "greenroom.registry.uploads:_check_rules": "check: file, rules",
    "greenroom.registry.tokens:actor_of_token": "check: token",
    "greenroom.registry.uploads:inspect": "inspect the archive",
    "greenroom.distributions.description:render": "render the description",
    "greenroom.distributions.description:restructuredtext_problem": "render the description",
    "greenroom.storage.local:LocalStorage.put_all": "store",
    "greenroom.registry.uploads:accept": "accept: rows",
    "greenroom.registry.publication:make_public": "accept: publish",
    "greenroom.registry.publication:add_release": "accept: publish",
    "greenroom.registry.publication:add_file": "accept: publish",
    "greenroom.registry.search:update": "accept: search",
    "greenroom.registry.journal:append": "accept: journal",
    "greenroom.registry.drafts:add_file": "accept: draft",
    "greenroom.registry.drafts:add_one_more": "accept: draft",
    "greenroom.registry.upload_sessions:announce": "announce",
    "greenroom.registry.upload_sessions:add_part": "take the part",
    "greenroom.registry.upload_sessions:complete": "complete",
    "sqlalchemy.orm.session:Session.commit": "commit",
    "greenroom.web.uploads.legacy.views:_staged": "answer",
}


class Clock:
    """Processor time by step: that of this process, without what inner steps took."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = 0.0

    def _turn(self) -> None:
        now = time.process_time()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count what happens meanwhile under this name."""
        self._turn()
        self._open.append(name)
        try:
            yield
        finally:
            self._turn()
            self._open.pop()

    def time_steps(self) -> None:
        """Let every function of STEPS be timed, wherever it is called from."""
        for target, name in STEPS.items():
            module_name, _, path = target.partition(":")
            owner: Any = importlib.import_module(module_name)
            *within, attribute = path.split(".")
            for part in within:
                owner = getattr(owner, part)
            setattr(owner, attribute, self._timed(getattr(owner, attribute), name))

    def _timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self.step(name):
                return function(*arguments, **named)

        return timed


@dataclass
class Watched:
    """What happened during some uploads."""

    statements: list[str] = field(default_factory=list)
    flushes: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def forget(self) -> None:
        """Begin anew."""
        self.statements.clear()
        self.flushes.clear()
        self.clock.seconds.clear()


def watch(services: Services) -> Watched:
    """Note what is asked of the database and of the disk from here on."""
    watched = Watched()
    watched.clock.time_steps()

    def listen(connection: object, cursor: object, statement: str, *rest: object) -> None:
        watched.statements.append(" ".join(statement.split()))

    event.listen(services.database.engine, "before_cursor_execute", listen)
    event.listen(services.database.engine, "commit", lambda _: watched.statements.append("COMMIT"))
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        watched.flushes.append("folder" if path.is_dir() else "file")
        fsync(descriptor)

    os.fsync = noted  # type: ignore[assignment]
    return watched


# What is uploaded


@dataclass(frozen=True)
class Wheel:
    """A wheel to upload."""

    name: str
    version: str
    filename: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Of its bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


class Wheels:
    """Makes small wheels, no two of them the same. Those of a release say the same."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def next(self, name: str, version: str, tag: str = "py3-none-any") -> Wheel:
        """A wheel, whose release has a description of its own."""
        path = make_wheel(
            self._folder,
            name,
            version,
            tag=tag,
            salt=tag,
            description=f"# {name} {version}\n\nA *small* wheel, with `code` and a list:\n\n"
            "- one\n- [two](https://index.example)\n",
            description_content_type="text/markdown",
        )
        content = path.read_bytes()
        path.unlink()
        return Wheel(name, version, path.name, content)


def form(wheel: Wheel) -> bytes:
    """The form that an upload client sends."""
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": wheel.name,
        "version": wheel.version,
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        "sha256_digest": wheel.sha256,
    }
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; '
        f'filename="{wheel.filename}"\r\nContent-Type: application/octet-stream\r\n\r\n'
    )
    return "".join([*parts, head]).encode() + wheel.content + f"\r\n--{BOUNDARY}--\r\n".encode()


# Who uploads


@dataclass(frozen=True)
class Answer:
    """What the index said."""

    status: int
    body: bytes


Send = Callable[[str, str, bytes, dict[str, str]], Answer]
"""Sends a request: method, path, body, headers."""


class Client:
    """Uploads, whatever the requests go through."""

    def __init__(self, send: Send, token: str) -> None:
        self._send = send
        self._token = {"Authorization": f"Bearer {token}"}

    def legacy(self, wheel: Wheel, *, staged: bool) -> None:
        """Upload in one request."""
        headers = self._token | {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        path = "/legacy/?staged=true" if staged else "/legacy/"
        self._checked(self._send("POST", path, form(wheel), headers))

    def open(self, name: str, version: str) -> str:
        """Open a draft; gives the address that files are announced at."""
        session = self._ask("/upload/2.0/", {"name": name, "version": version})
        return str(urlsplit(session["links"]["upload"]).path)

    def session(self, address: str, wheel: Wheel) -> None:
        """Upload in three requests."""
        said = self._ask(
            address,
            {
                "filename": wheel.filename,
                "size": len(wheel.content),
                "hashes": {"sha256": wheel.sha256},
                "mechanism": "http-post-bytes",
            },
        )
        where = urlsplit(said["mechanism"]["file_url"]).path
        headers = self._token | {"Content-Type": "application/octet-stream", "Accept": API}
        self._checked(self._send("POST", where, wheel.content, headers))
        self._ask(urlsplit(said["links"]["complete"]).path, {})

    def publish(self, name: str, version: str) -> None:
        """Publish a draft."""
        headers = self._token | {"Accept": API}
        answer = self._send("GET", f"/api/drafts/{name}/{version}", b"", headers)
        self._checked(answer)
        self._ask(urlsplit(json.loads(answer.body)["links"]["publish"]).path, {})

    def _ask(self, path: str, message: dict[str, object]) -> Any:
        headers = self._token | {"Content-Type": API, "Accept": API}
        body = json.dumps({"meta": {"api-version": "2.0"}, **message}).encode()
        answer = self._send("POST", path, body, headers)
        self._checked(answer)
        return json.loads(answer.body)

    def _checked(self, answer: Answer) -> None:
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise SystemExit(f"refused with {answer.status}: {answer.body.decode()}")


def through(application: Callable[..., Any]) -> Send:
    """Requests to a WSGI application in this process."""

    def send(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        path, _, query = path.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            "REMOTE_ADDR": "192.0.2.1",
        }
        setup_testing_defaults(environ)
        for name, value in headers.items():
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
        seen: list[str] = []
        answer = application(environ, lambda status, *rest: seen.append(status))
        content = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        return Answer(int(seen[0][:3]), content)

    return send


def over(url: str) -> Send:
    """Requests to a server, over one connection."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)

    def send(method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read())

    return send


# The ways to upload


class Ways:
    """Every way to upload; each call of one uploads one file."""

    def __init__(self, client: Client, wheels: Wheels) -> None:
        self._client = client
        self._wheels = wheels
        self._number = 0
        client.legacy(wheels.next("known", "0.1"), staged=False)
        client.legacy(wheels.next("known", "1.0"), staged=False)
        client.legacy(wheels.next("waiting", "1.0"), staged=True)
        self._address = client.open("sessions", "1.0")

    def all(self) -> dict[str, tuple[Callable[[], Wheel], Callable[[Wheel], None]]]:
        """What makes a wheel, and what uploads it, by what the way is called."""
        direct = partial(self._client.legacy, staged=False)
        staged = partial(self._client.legacy, staged=True)
        session = partial(self._client.session, self._address)
        return {
            "direct, new project": (self._of_new_project, direct),
            "direct, new release": (partial(self._of_new_release, "2"), direct),
            "direct, one more file": (partial(self._one_more, "known"), direct),
            "staged, opens a draft": (partial(self._of_new_release, "3"), staged),
            "staged, one more file": (partial(self._one_more, "waiting"), staged),
            "Upload 2.0, one file": (partial(self._one_more, "sessions"), session),
        }

    def _of_new_project(self) -> Wheel:
        name = hashlib.sha256(b"%d" % self._next()).hexdigest()[:12]
        return self._wheels.next(f"project-{name}", "1.0")

    def _of_new_release(self, major: str) -> Wheel:
        return self._wheels.next("known", f"{major}.{self._next()}")

    def _one_more(self, project: str) -> Wheel:
        return self._wheels.next(project, "1.0", f"py3-none-macosx_{self._next()}_0_arm64")

    def _next(self) -> int:
        self._number += 1
        return self._number


# What it costs


def tree_seconds(pid: int) -> float:
    """Processor time so far of a process, its descendants, and those that it has waited for."""
    try:
        line = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:  # it has ended
        return 0.0
    own = sum(map(int, line[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(tree_seconds(int(child)) for child in children)


def _descendants_seconds() -> float:
    """Of all that this process has started, ended or not."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    return used.ru_utime + used.ru_stime + sum(tree_seconds(int(child)) for child in children)


def in_process(count: int, *, show_statements: bool) -> None:
    """Measure through the WSGI application, and print the tables."""
    with tempfile.TemporaryDirectory(prefix="greenroom-bench-") as name:
        folder = Path(name)
        settings = replace(Settings(data=folder / "data"), **dict.fromkeys(LIMITS, 0))
        services = open_services(settings)
        services.database.upgrade()
        account = accounts.prepared("bench", "bench@index.example", "a long password")
        with services.writing() as uow:
            user = accounts.create_user(uow, account, verified=True)
            _, token = tokens.create(
                uow,
                user,
                "bench",
                permissions=DEFAULT_TOKEN_PERMISSIONS,
                expires_in=timedelta(days=1),
            )
        watched = watch(services)
        send = through(make_app(settings, services=services))
        ways = Ways(Client(send, token), Wheels(folder / "dist"))
        costs = {}
        for way, (make, upload) in ways.all().items():
            for _ in range(3):
                upload(make())
            made = [make() for _ in range(count)]
            costs[way] = _measured(watched, upload, made)
            if show_statements:
                _show(way, watched, partial(upload, make()))
        services.database.close()
        _print_table(costs)


@dataclass(frozen=True)
class Cost:
    """Of one upload, on average; milliseconds of processor time."""

    steps: dict[str, float]
    statements: float
    commits: float
    flushes: float


def _measured(watched: Watched, upload: Callable[[Wheel], None], made: Sequence[Wheel]) -> Cost:
    count = len(made)
    watched.forget()
    children = _descendants_seconds()
    for wheel in made:
        with watched.clock.step("HTTP, the rest"):
            upload(wheel)
    steps = {name: took / count * 1000 for name, took in watched.clock.seconds.items()}
    steps["(processes that render)"] = (_descendants_seconds() - children) / count * 1000
    commits = watched.statements.count("COMMIT")
    begun = sum(statement.startswith("BEGIN") for statement in watched.statements)
    statements = len(watched.statements) - commits - begun
    return Cost(steps, statements / count, commits / count, len(watched.flushes) / count)


def _show(way: str, watched: Watched, upload: Callable[[], None]) -> None:
    watched.forget()
    upload()
    print(f"## {way}: {Counter(watched.flushes)}")
    for statement in watched.statements:
        print("   ", statement[:150])


def _print_table(costs: dict[str, Cost]) -> None:
    names = list(dict.fromkeys([*STEPS.values(), *(n for c in costs.values() for n in c.steps)]))
    ways = list(costs)
    print("| ms of CPU for one file | " + " | ".join(ways) + " |")
    print("|---" * (len(ways) + 1) + "|")
    for name in names:
        _print_row(name, [costs[way].steps.get(name, 0.0) for way in ways])
    _print_row("**sum**", [sum(cost.steps.values()) for cost in costs.values()])
    _print_row("statements", [cost.statements for cost in costs.values()])
    _print_row("commits that write", [cost.commits for cost in costs.values()])
    _print_row("flushes of files and folders", [cost.flushes for cost in costs.values()])
    print()


def _print_row(name: str, values: Sequence[float]) -> None:
    print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |")


def against_server(count: int) -> None:
    """Measure against `greenroom serve` with one worker, and print a table."""
    os.environ.update({f"GREENROOM_{name.upper()}": "0" for name in LIMITS})
    with (
        tempfile.TemporaryDirectory(prefix="greenroom-bench-") as folder,
        running_index(workers=1) as index,
    ):
        ways = Ways(Client(over(index.url), index.token), Wheels(Path(folder)))
        print("| against `greenroom serve` | CPU seconds per 1,000 files | files/s |")
        print("|---|---|---|")
        for way, (make, upload) in ways.all().items():
            for _ in range(3):
                upload(make())
            made = [make() for _ in range(count)]
            before, began = tree_seconds(index.pid), time.perf_counter()
            for wheel in made:
                upload(wheel)
            rate = count / (time.perf_counter() - began)
            busy = (tree_seconds(index.pid) - before) / count * 1000
            print(f"| {way} | {busy:.1f} | {rate:.1f} |", flush=True)


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--uploads", type=int, default=50, metavar="N")
    arguments.add_argument("--statements", action="store_true", help="print them, for one upload")
    arguments.add_argument("--in-process", action="store_true", help="nothing else")
    options = arguments.parse_args()
    in_process(options.uploads, show_statements=options.statements)
    if not options.in_process:
        against_server(options.uploads)


if __name__ == "__main__":
    main()
