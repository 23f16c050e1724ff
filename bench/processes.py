"""What a server's processes cost: processor time and memory, read from /proc. Linux only."""

import contextlib
import os
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def process_tree(pid: int) -> list[int]:
    """A process and all that descend from it and live."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found = [pid]
    for process in found:
        found += children.get(process, [])
    return found


def processor_seconds(pid: int) -> tuple[float, float]:
    """Seconds of a process tree so far, in user mode and in the kernel; of ended ones too."""
    user = system = 0
    for process in process_tree(pid):
        if fields := _stat(process):
            # Its own, and those of its children that have ended.
            user += int(fields[11]) + int(fields[13])
            system += int(fields[12]) + int(fields[14])
    return user / _TICKS_PER_SECOND, system / _TICKS_PER_SECOND


def busy_seconds(pid: int) -> float:
    """Processor time of a process tree so far."""
    return sum(processor_seconds(pid))


def proportional_memory(pid: int) -> int:
    """Bytes of memory of a process tree; what processes share counts once (PSS)."""
    return sum(_kilobytes(process, "smaps_rollup", "Pss:") for process in process_tree(pid)) * 1024


def resident_memory(pid: int) -> int:
    """Bytes that the processes of a tree have resident, all of them together."""
    return sum(_kilobytes(process, "status", "VmRSS:") for process in process_tree(pid)) * 1024


def peak_memory(pid: int) -> int:
    """Bytes that they had resident at most, each since its peak was forgotten."""
    return sum(_kilobytes(process, "status", "VmHWM:") for process in process_tree(pid)) * 1024


def forget_peaks(pid: int) -> None:
    """Let the peaks of a process tree begin anew with what is resident now."""
    for process in process_tree(pid):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            Path(f"/proc/{process}/clear_refs").write_text("5", encoding="ascii")


def _stat(pid: int) -> list[str] | None:
    """What stands after the name of the program, which may have anything in it."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def _kilobytes(pid: int, file: str, name: str) -> int:
    try:
        text = Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(name))
