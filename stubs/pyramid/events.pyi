from typing import Any

# Whatever a renderer puts into the namespace of a template.
class BeforeRender(dict[str, Any]):
    rendering_val: Any

# A request before anything is looked for.
class BeforeTraversal:
    request: Any

# A response that a view has given.
class NewResponse:
    request: Any
    response: Any
