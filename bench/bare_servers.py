"""What servers cost by themselves: each with an application that does nothing, and two workers.

    python -m bench.bare_servers [--seconds S] [--rounds N] [--only NAMES]

Prints processor time per 1,000 requests, for short requests and for those of pip with an answer of
a dozen headers; and what an upload client meets: whether the sentence in the status line arrives,
and whether a body in chunks is taken.
"""

import argparse
import contextlib
import http.client
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from bench.asking import ask, connect, get
from bench.bare_application import REASON
from bench.processes import busy_seconds
from bench.servers import CHECKOUT, STARTS_WITHIN, environment, free_port, plain_environment
from bench.side_by_side import PIP
from bench.tables import Table, now_and_here, write

PLAIN = {"Accept": "*/*"}
WORKERS = "2"


def main() -> None:
    """Measure what the command line asks for."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--seconds", type=float, default=2.0, metavar="S")
    arguments.add_argument("--rounds", type=int, default=3, metavar="N")
    arguments.add_argument("--only", metavar="NAMES", help="servers, separated by commas")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="where the table goes")
    options = arguments.parse_args()
    known = commands()
    names = options.only.split(",") if options.only else list(known)
    if unknown := set(names) - set(known):
        arguments.error(f"no such server: {', '.join(sorted(unknown))}")
    rows: list[Sequence[str]] = []
    for name in names:
        with running(known[name]) as (url, pid):
            plain = cost(url, pid, "/", PLAIN, options.seconds, options.rounds)
            pip = cost(url, pid, "/many", PIP, options.seconds, options.rounds)
            rows.append([name, plain, pip, _yes(keeps_sentence(url)), _yes(takes_chunks(url))])
    heading = ["", "short", "pip's headers, a dozen back", "sentence arrives", "chunks are taken"]
    result = Table(f"{now_and_here()}; CPU seconds per 1,000 requests (rate).", heading, rows)
    print(result)
    write(options.json, result)


def commands() -> Mapping[str, Sequence[str]]:
    """How each server is started; PORT stands for its port."""
    others = environment("servers")
    gunicorn = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:PORT", "--workers", WORKERS]
    granian = [str(others / "granian"), "--host", "127.0.0.1", "--port", "PORT"]
    granian += ["--workers", WORKERS, "--no-ws", "--interface"]
    nothing = "bench.bare_application:"
    return {
        "gunicorn, threads": [*gunicorn, *("-k", "gthread", "--threads", "8"), f"{nothing}wsgi"],
        "gunicorn, event loop": [*gunicorn, "-k", "asgi", f"{nothing}asgi"],
        "granian, wsgi": [*granian, "wsgi", f"{nothing}wsgi"],
        "granian, asgi": [*granian, "asgi", f"{nothing}asgi"],
        "fastwsgi": [str(others / "python"), "-c", _FASTWSGI],
        "uwsgi": [
            *(str(others / "uwsgi"), "--http11-socket", "127.0.0.1:PORT", "--master"),
            *("--processes", WORKERS, "--disable-logging", "--need-app", "--die-on-term"),
            *("--module", f"{nothing}wsgi"),
        ],
    }


_FASTWSGI = """
import fastwsgi
from bench.bare_application import wsgi
fastwsgi.run(wsgi, host="127.0.0.1", port=PORT, loglevel=0, workers=2)
"""


@contextmanager
def running(command: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Run a server until the block ends, which gets its address and its process."""
    port = free_port()
    arguments = [part.replace("PORT", str(port)) for part in command]
    variables = plain_environment() | {"PYTHONPATH": str(CHECKOUT)}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            arguments, env=variables, cwd=CHECKOUT, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        url = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + STARTS_WITHIN
            while not answers(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise SystemExit(f"{arguments[0]} did not start: {log.read()[-2000:].decode()}")
                time.sleep(0.05)
            yield url, process.pid
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def answers(url: str) -> bool:
    """Whether a server is there."""
    try:
        return get(url, "/").status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False


def cost(
    url: str, pid: int, path: str, headers: Mapping[str, str], seconds: float, rounds: int
) -> str:
    """Processor time per 1,000 requests and the rate, the medians of some rounds."""
    costs, rates = [], []
    ask(url, [path], headers, 0.5)
    for _ in range(rounds):
        before = busy_seconds(pid)
        asked = ask(url, [path], headers, seconds)
        costs.append((busy_seconds(pid) - before) / asked.requests * 1000)
        rates.append(asked.requests / asked.seconds)
    return f"{median(costs):.3f} ({median(rates):,.0f}/s)"


def keeps_sentence(url: str) -> bool:
    """Whether a client reads in the status line what the application says."""
    connection = connect(url)
    try:
        connection.request("GET", "/refuse")
        return connection.getresponse().reason == REASON
    finally:
        connection.close()


def takes_chunks(url: str) -> bool:
    """Whether a body without a length reaches the application."""
    connection = connect(url)
    try:
        connection.request("POST", "/count", body=iter([b"abc", b"def"]))
        return connection.getresponse().read() == b"6"
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


if __name__ == "__main__":
    main()
