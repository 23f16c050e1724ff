"""Sizes as people read them."""


def readable_size(size: int) -> str:
    """A size in bytes for people: ``1.5 KiB``."""
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.4g} {unit}"
        amount /= 1024
    return f"{amount:.4g} TiB"
