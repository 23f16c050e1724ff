"""Models as schemas of an OpenAPI description, in the form that our descriptions have them."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema


class _Plain(GenerateJsonSchema):
    """Without titles, which only repeat names, and without defaults, which nobody is sent."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def schemas_of(*models: type[BaseModel]) -> dict[str, Any]:
    """The schemas of these models and of all in them, for ``components``."""
    _, made = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Plain,
    )
    schemas: dict[str, Any] = made["$defs"]
    for schema in schemas.values():
        schema.pop("title", None)
    return schemas
