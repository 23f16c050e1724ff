"""The process that renders descriptions: it is one, it is there, and it leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from greenroom.distributions import rendering
from greenroom.distributions.renderer import Renderer
from tests import processes

# What a description can make the renderer do, where this is put into it.
TROUBLE = """
    if description.startswith("crash"):
        os.abort()
    if description.startswith("take long"):
        import time
        begin = time.monotonic()
        time.sleep(float(description.split()[2]))
        with open(__file__ + ".spans", "a") as spans:
            spans.write(f"{begin} {time.monotonic()}\\n")
    warnings = io.StringIO()
"""


def troubled(folder: Path, **replaced: object) -> Path:
    """The program that renders, with trouble in it, and with other values of its constants."""
    source = Path(rendering.__file__).read_text(encoding="utf-8")
    assert source.count("\n    warnings = io.StringIO()\n") == 1
    source = source.replace("\n    warnings = io.StringIO()\n", TROUBLE)
    for name, value in replaced.items():
        line = f"\n{name} = {getattr(rendering, name)!r}\n"
        assert line in source
        source = source.replace(line, f"\n{name} = {value!r}\n")
    program = folder / "rendering.py"
    program.write_text(source, encoding="utf-8")
    return program


@pytest.fixture
def renderer(tmp_path: Path) -> Iterator[Renderer]:
    made = Renderer(troubled(tmp_path), at_once=2)
    yield made
    made.close()


def markdown(renderer: Renderer, text: str, seconds: float = 10) -> tuple[int, str] | None:
    return renderer.render(text, is_restructuredtext=False, variant="GFM", seconds=seconds)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(child) for child in text.split() if is_running(int(child))]


def wait_until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.02)


HI = (rendering.RENDERED, "<p>hi</p>\n")


def test_nothing_is_started_before_the_first_description(renderer: Renderer) -> None:
    assert renderer.pid is None
    assert markdown(renderer, "hi") == HI
    assert renderer.pid is not None


def test_one_process_renders_all_kinds(renderer: Renderer) -> None:
    pids = set()
    for is_restructuredtext in (False, True, False):
        answer = renderer.render(
            "*hi*", is_restructuredtext=is_restructuredtext, variant="GFM", seconds=10
        )
        assert answer == (rendering.RENDERED, "<p><em>hi</em></p>\n")
        pids.add(renderer.pid)
    assert len(pids) == 1


def test_a_rendering_that_crashes_takes_nothing_along(renderer: Renderer) -> None:
    # 20,000 mail addresses in a row do this to the Markdown renderer, in some seconds.
    assert markdown(renderer, "hi") == HI
    before = renderer.pid

    assert markdown(renderer, "crash") is None

    assert markdown(renderer, "hi") == HI
    assert renderer.pid == before


def test_a_rendering_that_takes_too_long_is_stopped_and_no_other(renderer: Renderer) -> None:
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(markdown, renderer, "take long 30", 0.3)
        other = pool.submit(markdown, renderer, "take long 0.6", 10)
        assert slow.result() is None
        assert other.result() == (rendering.RENDERED, "<p>take long 0.6</p>\n")
    pid = renderer.pid
    assert pid is not None
    wait_until(lambda: not children(pid))


def test_a_process_that_was_killed_is_started_anew(renderer: Renderer) -> None:
    markdown(renderer, "hi")
    before = renderer.pid
    assert before is not None
    os.killpg(before, signal.SIGKILL)

    assert markdown(renderer, "hi") == HI

    assert renderer.pid != before
    assert not is_running(before)


def test_a_process_that_ended_because_nothing_came_is_started_anew(tmp_path: Path) -> None:
    renderer = Renderer(troubled(tmp_path, IDLE=0.1))
    markdown(renderer, "hi")
    before = renderer.pid
    assert before is not None
    wait_until(lambda: not is_running(before))

    assert markdown(renderer, "hi") == HI
    renderer.close()


def test_a_program_that_does_not_work_renders_nothing(tmp_path: Path) -> None:
    program = tmp_path / "broken.py"
    program.write_text("raise SystemExit(1)\n")
    renderer = Renderer(program)

    assert markdown(renderer, "hi") is None
    assert renderer.pid is None
    renderer.close()


def test_a_process_that_cannot_start_renders_nothing(
    renderer: Renderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(subprocess, "Popen", fail)
    assert markdown(renderer, "hi") is None


def test_many_threads_are_served_a_few_at_once(renderer: Renderer, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda n: markdown(renderer, f"take long 0.1 {n}"), range(8), timeout=30)
        )

    assert answers == [(rendering.RENDERED, f"<p>take long 0.1 {n}</p>\n") for n in range(8)]
    lines = (tmp_path / "rendering.py.spans").read_text(encoding="ascii").splitlines()
    spans = [tuple(map(float, line.split())) for line in lines]
    assert len(spans) == 8
    most = max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)
    assert most == 2


FORKED = """
import os, sys, time
from greenroom.distributions.renderer import RENDERER
def render():
    assert RENDERER.render("hi", is_restructuredtext=False, variant="GFM", seconds=10)
    print(RENDERER.pid, flush=True)
render()
child = os.fork()
if child == 0:
    render()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
render()
if sys.argv[1] == "killed":
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("end", ["returns", "killed"])
def test_each_process_has_its_own_and_leaves_none_behind(end: str) -> None:
    done = processes.run([sys.executable, "-c", FORKED, end])

    assert done.returncode == (0 if end == "returns" else -9)
    assert done.stderr == ""
    first, of_child, last = (int(line) for line in done.stdout.split())
    assert first == last != of_child
    wait_until(lambda: not is_running(first) and not is_running(of_child))


SHARED = """
import os, sys
from greenroom.distributions.renderer import RENDERER
def render():
    assert RENDERER.render("hi", is_restructuredtext=False, variant="GFM", seconds=10)
    return RENDERER.pid
RENDERER.share()
if sys.argv[1] == "parent":
    print(render(), flush=True)
for _ in range(3):
    child = os.fork()
    if child == 0:
        if (pid := render()) is not None:
            print(pid, flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
render()
if sys.argv[2] == "killed":
    os.kill(os.getpid(), 9)
"""


@pytest.mark.parametrize("end", ["returns", "killed"])
@pytest.mark.parametrize("first", ["parent", "child"])
def test_processes_that_share_one_start_one_which_outlasts_who_has_started_it(
    first: str, end: str
) -> None:
    done = processes.run([sys.executable, "-c", SHARED, first, end])

    assert done.returncode == (0 if end == "returns" else -9)
    assert done.stderr == ""
    (pid,) = (int(line) for line in done.stdout.split())
    wait_until(lambda: not is_running(pid))


AT_ONCE = """
import os
from greenroom.distributions.renderer import RENDERER
RENDERER.share()
begin, go = os.pipe()
for _ in range(8):
    if os.fork() == 0:
        os.close(go)
        os.read(begin, 1)
        assert RENDERER.render("hi", is_restructuredtext=False, variant="GFM", seconds=10)
        if RENDERER.pid is not None:
            print(RENDERER.pid, flush=True)
        os._exit(0)
os.close(begin)
os.close(go)
assert all(os.wait()[1] == 0 for _ in range(8))
print("all", flush=True)
input()
"""


def test_of_those_that_are_started_at_the_same_moment_one_is_left() -> None:
    with processes.start([sys.executable, "-c", AT_ONCE], stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        pids = [int(line) for line in iter(process.stdout.readline, "all\n")]
        wait_until(lambda: sum(map(is_running, pids)) == 1)
        process.communicate("\n", timeout=20)
    wait_until(lambda: not any(map(is_running, pids)))


KILLED = """
import os, signal
from greenroom.distributions.renderer import RENDERER
def render():
    assert RENDERER.render("hi", is_restructuredtext=False, variant="GFM", seconds=10)
    return RENDERER.pid
RENDERER.share()
first = render()
os.killpg(first, signal.SIGKILL)
child = os.fork()
if child == 0:
    assert render() not in (first, None)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert render() is None
"""


def test_a_shared_process_that_was_killed_is_started_anew_by_another() -> None:
    done = processes.run([sys.executable, "-c", KILLED])

    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_being_rendered_ends_with_who_asked(renderer: Renderer) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(markdown, renderer, "take long 30")
        wait_until(lambda: renderer.pid is not None and bool(children(renderer.pid)))
        pid = renderer.pid
        assert pid is not None
        started = children(pid)

        renderer.close()

        assert asked.result() is None
        wait_until(lambda: not any(map(is_running, [pid, *started])))
