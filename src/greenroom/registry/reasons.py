"""Why somebody does something, in one line for the audit log."""

from greenroom.registry.errors import InvalidRequest

LONGEST_REASON = 500


def check_line(text: str) -> str:
    """A reason: one line, which may be empty.

    Raises:
        InvalidRequest: it is longer, or has characters that cannot be shown.
    """
    reason = text.strip()
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise InvalidRequest(
            f"A reason is one line of at most {LONGEST_REASON} characters that can be printed."
        )
    return reason
