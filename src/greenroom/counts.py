"""How many of what there are, in words."""


def counted(count: int, one: str, many: str | None = None) -> str:
    """So many of them: ``1 file``, ``3 files``.

    Args:
        count: how many there are.
        one: what one of them is called.
        many: what several are called; None where that is ``one`` with an s behind it.
    """
    return f"{count} {one if count == 1 else many or f'{one}s'}"
