"""What makes the application and forks workers, which share its memory, and then ends."""

import contextlib
import gc
import logging
import os
import resource
import signal
import socket
from collections.abc import Callable
from typing import BinaryIO

from msgspec import Struct

from greenroom import spare_memory
from greenroom.server.shared_answers import SharedAnswers
from greenroom.server.supervisor import ANSWERS, LISTENER, Kept, Order, Terms, Told, end_with
from greenroom.server.timing import Timing
from greenroom.server.worker import BACKLOG, Place, Served, Worker, make_config

log = logging.getLogger(__name__)


class Plan(Struct, frozen=True):
    """What is served where.

    Attributes:
        load: makes what is served.
        workers: how many there are to be.
        threads: how many requests the application works on at once, in a process.
        timing: how long to wait for what.
        listener: the socket, which need not listen yet.
        url: the address that reaches the server from this machine.
        shared: the file of what the workers share; None: each keeps its own alone.
    """

    load: Callable[[Order], Served]
    workers: int
    threads: int
    timing: Timing
    listener: socket.socket
    url: str
    shared: BinaryIO | None


def start_workers(plan: Plan, order: Order) -> None:
    """Make the application, fork the workers that are asked for, and report them.

    The garbage collector is to be off, and is on afterwards.

    Raises:
        SystemExit: the application cannot be made; why has been said.
    """
    _allow_many_connections()
    spare_memory.use_one_arena()
    served = plan.load(order)
    is_reported = False
    try:
        is_reported = _start(plan, order, served)
    finally:
        if not is_reported and order.kept is None:
            served.kept.remove_folders()


def _start(plan: Plan, order: Order, served: Served) -> bool:
    """Fork the workers, and report them; false where nobody is there who could supervise them."""
    _tell_who_has_ended(order, served)
    _listen(plan)
    config = make_config(plan.timing)
    # What exists now is shared by the workers as long as nothing writes to it.
    gc.freeze()
    gc.enable()
    if os.getpid() != order.supervisor and os.getppid() != order.supervisor:
        return False
    gate = _Gate()
    workers = {}
    for number in range(plan.workers) if order.workers is None else order.workers:
        place = _place(plan, order, number)
        workers[number] = _fork(gate, Worker(served, place, plan.timing, config))
    terms = Terms(plan.workers, plan.timing.graceful, plan.timing.heartbeat)
    kept = _with_own(served.kept, plan) if order.kept is None else Kept()
    order.report.write(Told(workers, terms, kept))
    gate.open(len(workers))
    return True


def _with_own(kept: Kept, plan: Plan) -> Kept:
    """What is to be kept, with what all workers have of the server itself."""
    files = {**kept.files, LISTENER: plan.listener.fileno()}
    if plan.shared is not None:
        files[ANSWERS] = plan.shared.fileno()
    return kept._replace(files=files)


def _tell_who_has_ended(order: Order, served: Served) -> None:
    for ended in order.ended:
        if ended.reason:
            log.error("process %s has ended and is replaced: %s", ended.pid, ended.reason)
        if served.on_exit is not None:
            served.on_exit(ended.pid)


def _listen(plan: Plan) -> None:
    try:
        plan.listener.listen(BACKLOG)
    except OSError as error:  # somebody else was bound to the same address, and was faster
        raise SystemExit(f"Cannot listen on {plan.url}: {error.strerror}.") from None


def _place(plan: Plan, order: Order, number: int) -> Place:
    return Place(
        number,
        is_first=number == 0 and order.kept is None,
        parents=frozenset({order.supervisor, os.getpid()}),
        heartbeats=order.heartbeats,
        listener=plan.listener,
        url=plan.url,
        threads=plan.threads,
        shared=SharedAnswers(plan.shared) if plan.shared is not None else None,
    )


class _Gate:
    """Where workers wait until they are reported: one that nobody knows of must not go on."""

    def __init__(self) -> None:
        self._entry, self._key = os.pipe()

    def open(self, count: int) -> None:
        """Let so many go on."""
        os.write(self._key, bytes(count))
        os.close(self._key)
        os.close(self._entry)

    def wait(self) -> None:
        """Wait, in a process that was forked.

        Raises:
            SystemExit: who could have opened it is gone.
        """
        os.close(self._key)
        is_open = os.read(self._entry, 1)
        os.close(self._entry)
        if not is_open:
            raise SystemExit(1)


def _fork(gate: _Gate, worker: Worker) -> int:
    """Have a worker begin in a process of its own, which waits at the gate; gives the process."""
    worker.notify()  # it is well, as far as anybody knows
    # One that is told to end before it can hear of it ends as soon as it can.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    pid = os.fork()
    if pid == 0:

        def work() -> None:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            gate.wait()
            worker.start()

        end_with(work)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    worker.tmp.close()  # it is the worker's
    return pid


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
