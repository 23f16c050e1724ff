"""How long the tests with inputs of hypothesis run, and what they do to bytes.

Without more, they try a bounded number of examples, the same ones each time, so that a failure is
the fault of a change. To look for what nobody thought of, let them run as long as you like:

    GREENROOM_FUZZ_EXAMPLES=100000 pytest -k fuzz
    GREENROOM_FUZZ_EXAMPLES=500 pytest -k "leave_no_trace or state_tables"
"""

import os
from collections.abc import Sequence

import hypothesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

_EXAMPLES = int(os.environ.get("GREENROOM_FUZZ_EXAMPLES", "0"))

PROFILE = "greenroom"

settings.register_profile(
    PROFILE,
    max_examples=_EXAMPLES or 100,
    derandomize=not _EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def fuzzed(examples: int) -> settings:
    """Run a test with so many examples, or as many as the environment asks for."""
    return settings(max_examples=_EXAMPLES or examples)


def walk(
    machine: type[RuleBasedStateMachine], seed: int, *, walks: int, steps: int, at_least: int
) -> None:
    """Let a state machine walk so often, or as often as the environment asks for.

    Another seed has other examples, so that walks of the same rules, on one database and on the
    other, do not go the same way. So few would mostly be short ones, in which nothing happens, if
    they did not have so many steps at least.
    """
    run_state_machine_as_test(
        machine if _EXAMPLES else hypothesis.seed(seed)(machine),
        settings=settings(fuzzed(walks), stateful_step_count=steps),
        _min_steps=at_least,
    )


INTERESTING = (
    b"\0",
    b"\0\0\0\0",
    b"\xff\xff",
    b"\xff\xff\xff\xff",
    b"\x80" + bytes(7),
    b"\x7f\xff\xff\xff",
    b"PK\1\2",
    b"PK\3\4",
    b"PK\5\6",
    b"PK\6\6",
    b"PK\6\7",
    b"PK\7\10",
    b"\x1f\x8b\x08",
    b"ustar\0",
    b"../",
    b"/",
    b"\\",
    b"\r\n",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b"--",
    b":",
    b";",
    b",",
    b"=",
    b'"',
    b"'",
    b"%",
    b"*",
    b"-1",
    b"0",
    b"9" * 30,
    b"\xc3\xa9",
    b"\xe2\x80\xa8",
    b"\xed\xa0\x80",
    b"\xff",
    b"(" * 300,
    b"[" * 300,
)

Step = tuple[str, int, int, bytes]

_KINDS = ("set", "insert", "delete", "repeat", "move", "cut", "flip")


def steps(largest: int = 6) -> st.SearchStrategy[list[Step]]:
    """Things to do to bytes, one after the other."""
    return st.lists(
        st.tuples(
            st.sampled_from(_KINDS),
            st.integers(0, 2**20),
            st.integers(0, 200),
            st.one_of(st.sampled_from(INTERESTING), st.binary(min_size=1, max_size=12)),
        ),
        min_size=1,
        max_size=largest,
    )


def mutated(content: bytes, steps: Sequence[Step]) -> bytes:
    """The bytes with all of it done to them."""
    changed = bytearray(content)
    for kind, place, count, given in steps:
        at = place % (len(changed) + 1)
        match kind:
            case "set":
                changed[at : at + len(given)] = given
            case "insert":
                changed[at:at] = given
            case "delete":
                del changed[at : at + count]
            case "repeat":
                changed[at:at] = changed[at : at + count]
            case "move":
                other = place * 7919 % (len(changed) + 1)
                changed[at : at + count] = changed[other : other + count]
            case "cut":
                if count % 4 == 0:
                    del changed[at:]
            case "flip":
                if at < len(changed):
                    changed[at] ^= 1 << count % 8
    return bytes(changed)
