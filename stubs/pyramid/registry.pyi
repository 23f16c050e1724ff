from collections.abc import Mapping

from greenroom.registry.index import Premises

class Introspector:
    def get_category(self, name: str) -> list[Mapping[str, Mapping[str, object]]]: ...

class Registry:
    introspector: Introspector
    # What the application puts here (greenroom.web.application, greenroom.web.security).
    premises: Premises
    session_cookie: str
    secret_key: str
