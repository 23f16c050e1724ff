"""Run as a program, writes answers that workers share, without end, until it is killed."""

import sys
from pathlib import Path

from greenroom.server.shared_answers import Place, SharedAnswer, SharedAnswers

MOST_BYTES = 1024**2
NUMBERS = 200


def place_of(number: int) -> Place:
    return (1, b"/%d" % number, (b"text/html",), "")


def answer_of(number: int, turn: int) -> SharedAnswer:
    """One that tells everywhere which one it is; they are of many lengths."""
    body = b"%d " % number * (500 + turn % 1000)
    return SharedAnswer(str(number), "200 OK", [], body, {"gzip": body[::-1]})


def is_of(number: int, answer: SharedAnswer) -> bool:
    """Whether it is one of these, and whole."""
    assert isinstance(answer.body, bytes)
    return (
        answer.mark == str(number)
        and set(answer.body.split()) == {b"%d" % number}
        and answer.encoded == {"gzip": answer.body[::-1]}
    )


def main(descriptor: int) -> None:
    with Path(f"/dev/fd/{descriptor}").open("r+b", buffering=0) as file:
        shared, turn = SharedAnswers(file, MOST_BYTES), 0
        while True:
            turn += 1
            numbers = range(turn % 7, NUMBERS, 7)
            shared.put((place_of(number), answer_of(number, turn)) for number in numbers)
            if turn == 1:
                sys.stdout.write("writes\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
