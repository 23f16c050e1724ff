"""Greenroom: a Python package index whose releases can wait unseen until they are published."""


def __getattr__(name: str) -> str:
    # Asked for late: whatever supervises a server has no use for what looks for it.
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import version

    return version(__name__)
