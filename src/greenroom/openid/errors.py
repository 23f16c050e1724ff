"""Why an ID token, or what an issuer says, is not believed."""

from datetime import timedelta


class OpenIDError(Exception):
    """Something is not as OpenID Connect wants it.

    The text is a sentence for whoever sent the token: it has nothing secret in it.
    """


class InvalidToken(OpenIDError):
    """The ID token is not one that this issuer signed for this index, or is not valid now."""


class IssuerUnavailable(OpenIDError):
    """The issuer does not answer, or not as it should: nobody can tell whether a token is good.

    Attributes:
        retry_after: after so long it is worth trying again.
        reason: what happened, for the log of the operator.
    """

    def __init__(self, sentence: str, reason: str, retry_after: timedelta) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.retry_after = retry_after


class NotFetched(Exception):
    """There is no answer of an issuer that can be used; the text says why, for the log."""


class Declined(NotFetched):
    """The issuer has answered that what it was asked with is wrong (RFC 6749, section 5.2)."""
