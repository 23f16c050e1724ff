"""Models as schemas of an OpenAPI description, in the form that our descriptions have them."""

from typing import Any

import msgspec

# What has schemas in it: by name, in a list, or one.
_NAMED = ("properties", "$defs")
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")


def schemas_of(*models: type[msgspec.Struct]) -> dict[str, Any]:
    """The schemas of these models and of all in them, for ``components``, by name."""
    _, made = msgspec.json.schema_components(models, ref_template="#/components/schemas/{name}")
    return {name: _plain(schema) for name, schema in made.items()}


def _plain(schema: Any) -> Any:
    """A schema without titles, which only repeat names, and defaults, which nobody is sent.

    Where it has nothing but certain texts, it says that they are texts.
    """
    if not isinstance(schema, dict):
        return schema
    texts = all(isinstance(value, str) for value in schema.get("enum", [None]))
    plain: dict[str, Any] = {"type": "string"} if texts else {}
    for key, value in schema.items():
        if key in _NAMED:
            plain[key] = {name: _plain(each) for name, each in value.items()}
        elif key in _LISTED:
            plain[key] = [_plain(each) for each in value]
        elif key not in ("title", "default"):
            plain[key] = _plain(value)
    return plain
