"""When refusals are sent, so that who is refused over and over holds up nobody else.

A refusal costs the application about as much as a page. Hundreds of connections that try passwords
or tokens ask again as soon as they are answered: what makes them slower is to be answered later,
which costs a socket and nothing else. Who is refused now and then does not notice.
"""

from collections import OrderedDict

REFUSALS = ("401", "403", "429")
"""The statuses of who shows no right, or comes too often."""

OWN = 1
OWN_EVERY = 20.0
AT_ONCE = 50
EVERY = 0.1
LONGEST = 15.0
MOST_ADDRESSES = 4096


class Refusals:
    """Says how long to wait with each refusal, in a process.

    An address has ``OWN`` that are sent at once whatever others do, of which one comes back every
    ``OWN_EVERY`` seconds. All others of all addresses are sent one after the other, ``EVERY`` so
    many seconds, after ``AT_ONCE`` to begin with. None waits longer than ``LONGEST``.
    """

    def __init__(self) -> None:
        """Nobody was refused yet."""
        self._own: OrderedDict[str, float] = OrderedDict()
        self._next = float("-inf")

    def wait(self, address: str, now: float) -> float:
        """Count a refusal; how many seconds it has to wait.

        Args:
            address: who is refused.
            now: the time by the clock that is asked every time.
        """
        own = max(self._own.pop(address, now), now)
        if own <= now + (OWN - 1) * OWN_EVERY:
            self._own[address] = own + OWN_EVERY
            if len(self._own) > MOST_ADDRESSES:
                self._own.popitem(last=False)
            return 0.0
        self._own[address] = own
        due = max(self._next, now - (AT_ONCE - 1) * EVERY)
        self._next = min(due, now + LONGEST) + EVERY
        return min(max(0.0, due - now), LONGEST)
