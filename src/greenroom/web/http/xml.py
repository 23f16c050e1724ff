"""Text that may stand in XML."""

import re

# What XML 1.0 has no way to write, not even escaped (section 2.2).
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """The text without the characters that no XML document may have."""
    return _FORBIDDEN.sub("", text)
