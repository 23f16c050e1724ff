"""Staged releases for twine: ``twine stage`` and ``twine session``.

Speaks Upload 2.0 (PEP 694, draft of 29 July 2026: provisional), and where an index does not, the
staged upload of the legacy API.
"""

__version__ = "0.1.0"
