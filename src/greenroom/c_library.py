"""What only the C library of this system can be asked for."""

import ctypes
from collections.abc import Callable
from functools import cache


@cache
def c_function(name: str) -> Callable[..., int]:
    """A function of the C library by its name.

    Returns:
        The function, which takes and gives C's ``int`` where nothing else is said; where there is
        none of the name, one that does nothing and gives -1.
    """
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return lambda *arguments: -1
    return found
