"""Text that may stand in XML."""

import re

# What XML 1.0 has no way to write, not even escaped (section 2.2).
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def xml_text(text: str) -> str:
    """The text without the characters that no XML document may have."""
    return _FORBIDDEN.sub("", text)
