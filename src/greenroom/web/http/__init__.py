"""What all parts share: the request, who asks, the traversal tree, addresses, answers."""

from pyramid.config import Configurator

_INCLUDED = (
    "caching",
    "canonical_urls",
    "errors",
    "malformed_headers",
    "misdirected_uploads",
    "preparations",
    "proxies",
    "reading",
    "security_headers",
    "strict_forms",
)


def includeme(config: Configurator) -> None:
    """Include what every request passes through."""
    for name in _INCLUDED:
        config.include(f"{__name__}.{name}")
