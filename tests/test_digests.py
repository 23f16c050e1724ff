"""Digests of what is large: the same as in one go, in any process."""

import hashlib
import sys

import pytest

from greenroom.digests import Digests
from tests import processes

MIB = 1024**2
CONTENT = bytes(range(256)) * (5 * MIB // 256) + b"and a rest"
PIECE = 300_000

FORKED = """
import hashlib, os, sys
from greenroom.digests import Digests

def digest():
    digests = Digests({"it": hashlib.sha256()})
    for _ in range(4):
        digests.add(bytes(2**20))
    return digests.finished()["it"]

before = digest()
pid = os.fork()
same = digest() == before
if pid == 0:
    os._exit(0 if same else 1)
print(same, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.parametrize("names", [["sha256"], ["md5", "sha256"], ["sha512", "md5", "sha1"]])
def test_they_are_those_of_the_whole(names: list[str]) -> None:
    digests = Digests({name: hashlib.new(name, usedforsecurity=False) for name in names})
    for start in range(0, len(CONTENT), PIECE):
        digests.add(CONTENT[start : start + PIECE])
    wanted = {name: hashlib.new(name, CONTENT, usedforsecurity=False) for name in names}
    assert digests.finished() == {name: digest.hexdigest() for name, digest in wanted.items()}


def test_a_process_that_was_forked_hashes_too() -> None:
    done = processes.run([sys.executable, "-c", FORKED], check=True)
    assert done.stdout.split() == ["True", "0"]
