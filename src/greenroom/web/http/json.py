"""JSON as this index writes it."""

import json


def to_json(value: object) -> bytes:
    """The value in as few bytes as it takes, in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
