"""Media types in headers, with their parameters, as HTTP has them (RFC 9110, section 8.3.1)."""

import re

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_TYPE = re.compile(rf"[ \t]*({_WORD}/{_WORD})[ \t]*(?:;|$)")
_QUOTED = r'"(?:[^"\\\x00-\x08\x0a-\x1f\x7f]|\\[\t\x20-\x7e\x80-\xff])*"'
# A parameter may be missing between two semicolons; nothing may be around its equals sign.
_PARAMETER = re.compile(rf"[ \t]*(?:({_WORD})=({_WORD}|{_QUOTED}))?[ \t]*(?:;|$)")


def media_type(header: str | None) -> str:
    """Type and subtype of a Content-Type, in lower case, without parameters; empty for none."""
    found = _TYPE.match(header or "")
    return found[1].lower() if found is not None else ""


def parameter(header: str | None, name: str) -> str | None:
    """The value of a parameter, whose name may be in any letter case, without its quotes.

    Returns:
        None where it is absent, stands there twice, or the parameters cannot be read.
    """
    found = _TYPE.match(header or "")
    values = _values(header or "", found.end(), name) if found is not None else None
    return values[0] if values is not None and len(values) == 1 else None


def _values(header: str, start: int, name: str) -> list[str] | None:
    values = []
    while start < len(header):
        found = _PARAMETER.match(header, start)
        if found is None or found.end() == start:
            return None
        if found[1] is not None and found[1].lower() == name:
            values.append(_unquoted(found[2]))
        start = found.end()
    return values


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
