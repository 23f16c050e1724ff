"""JSON as this index writes it."""

import json
from datetime import datetime


def to_json(value: object) -> bytes:
    """The value in as few bytes as it takes, in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def precise_time(moment: datetime) -> str:
    """A moment with fractional seconds, ending in Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
