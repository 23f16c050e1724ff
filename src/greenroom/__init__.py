"""Greenroom: a Python package index whose releases can wait unseen until they are published."""


def __getattr__(name: str) -> str:
    # Looked for when somebody asks: what looks for it takes memory.
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    found = globals()[name] = version(__name__)
    return found
