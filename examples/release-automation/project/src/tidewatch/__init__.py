"""Says whether the tide is in."""

import math

# From one high water to the next.
HOURS = 12.42


def height(hours: float) -> float:
    """The height of the water, so many hours after high water: from -1 to 1."""
    return math.cos(2 * math.pi * hours / HOURS)


def is_in(hours: float) -> bool:
    """Whether the tide is in, so many hours after high water."""
    return height(hours) > 0
