from typing import Any

# Whatever a renderer puts into the namespace of a template.
class BeforeRender(dict[str, Any]):
    rendering_val: Any
