"""Why nothing was got from an index behind this one. All texts are sentences without secrets."""


class UpstreamFailed(Exception):
    """An upstream has not given what it was asked for.

    Attributes:
        is_wide: whether that holds for all that it could be asked, as far as one can tell.
        retry_after: after how many seconds it wants to be asked again; None where it does not say.
    """

    def __init__(
        self, sentence: str, *, is_wide: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(sentence)
        self.is_wide = is_wide
        self.retry_after = retry_after


class AddressRefused(UpstreamFailed):
    """What is asked for leads to where this index asks nothing."""


class NoAnswer(UpstreamFailed):
    """Nobody answers, or not in time."""

    def __init__(self, sentence: str, *, is_wide: bool = True) -> None:
        super().__init__(sentence, is_wide=is_wide)


class BrokenOff(UpstreamFailed):
    """What is answered ends before its end, or is not what it says it is."""


class TooLong(UpstreamFailed):
    """What is answered is longer than anything that is asked for."""


class BadAnswer(UpstreamFailed):
    """The upstream answers that it will not, or cannot; or something else than was asked for."""


class UpstreamUnavailable(Exception):
    """An upstream cannot be asked now, and nothing is kept that could be shown instead.

    Attributes:
        reason: what has happened, for the log.
        retry_after: after how many seconds it is worth trying again.
    """

    def __init__(self, sentence: str, reason: str, retry_after: int) -> None:
        super().__init__(sentence)
        self.reason = reason
        self.retry_after = retry_after
