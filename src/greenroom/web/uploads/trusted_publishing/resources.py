"""``/_/oidc/``, where twine and uv exchange tokens, and ``/.well-known/pytp/`` (PEP 807)."""

from __future__ import annotations

from collections.abc import Sequence

from pyramid.response import Response

from greenroom.registry import errors
from greenroom.web.http.refusals import RefusalFormat
from greenroom.web.http.request import Request
from greenroom.web.http.traversal import Node

MEDIA_TYPE = "application/vnd.pypi.pytp.v1+json"


def _errors(
    request: Request, status: int, code: str, title: str, sentences: Sequence[str]
) -> Response:
    """An error response of PEP 807; twine prints the codes and the descriptions, uv all of it."""
    body = {
        "message": title,
        "errors": [{"code": code, "description": sentence} for sentence in sentences],
    }
    return Response(json_body=body, status=status)


ERRORS = RefusalFormat(
    _errors,
    statuses={errors.InvalidIDToken: 403, errors.UnknownPublisher: 403, errors.TooLarge: 413},
)
"""``{"message": …, "errors": [{"code": …, "description": …}]}``"""


class _WithErrors(Node):
    @property
    def refusals(self) -> RefusalFormat:
        """As upload clients print them."""
        return ERRORS


class Oidc(_WithErrors):
    """``/_/oidc/``"""

    def __getitem__(self, name: str) -> Node:
        return {"audience": Audience, "mint-token": MintToken, "burn-token": BurnToken}[name](
            self.request, name, self
        )


class Audience(Node):
    """``/_/oidc/audience``"""

    is_leaf = True


class MintToken(Node):
    """``/_/oidc/mint-token``"""

    is_leaf = True


class BurnToken(Node):
    """``/_/oidc/burn-token``"""

    is_leaf = True


class WellKnown(_WithErrors):
    """``/.well-known/``"""

    def __getitem__(self, name: str) -> Node:
        return {"pytp": Discoveries}[name](self.request, name, self)


class Discoveries(Node):
    """``/.well-known/pytp/``"""

    def __getitem__(self, name: str) -> Node:
        return Discovery(self.request, name, self)


class Discovery(Node):
    """``/.well-known/pytp/<key>``: what the index offers those who upload to an address.

    The key is the SHA-256 of the address' path in hexadecimal.
    """

    is_leaf = True
