"""What views hand to templates: values, never rows, whose states nobody has judged by the clock."""

from collections.abc import Iterator, Mapping

from msgspec import Struct
from pyramid.config import Configurator
from pyramid.events import BeforeRender
from pyramid.router import Router

from greenroom.models import Base


def rows_in(value: object, name: str) -> Iterator[str]:
    """The names of all that is a row in a value, wherever in it."""
    if isinstance(value, Base):
        yield f"{name} ({type(value).__name__})"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from rows_in(key, f"a key of {name}")
            yield from rows_in(item, f"{name}[{key!r}]")
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from rows_in(item, f"an item of {name}")
    elif isinstance(value, Struct):
        for field in value.__struct_fields__:
            yield from rows_in(getattr(value, field), f"{name}.{field}")


def refuse_rows(router: Router, rendered: dict[str, list[str]]) -> None:
    """Let every view fail that hands rows to a template, and note these by name of template."""

    def check(event: BeforeRender) -> None:
        template = str(event["renderer_name"])
        given = event.rendering_val
        assert isinstance(given, Mapping), template
        rows = [row for name, value in given.items() for row in rows_in(value, name)]
        rendered.setdefault(template, []).extend(rows)
        assert rows == [], template

    config = Configurator(registry=router.registry, autocommit=True)
    config.add_subscriber(check, BeforeRender)
