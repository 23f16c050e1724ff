"""A real identity provider on loopback: people sign in there, and it tells this index who they are.

It holds to what OpenID Connect demands of a provider, so that a client that does not is noticed:
codes are taken once, for the client and the address that they were made for, with PKCE.
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import time
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.issuing import FakeCI, answering, rsa_key

CLIENT_ID, CLIENT_SECRET = "the index", "a secret: of the client"


@dataclass
class IdentityProvider(FakeCI):
    """An issuer at which people sign in.

    Attributes:
        person: the claims of who sits at the browser.
        changes: claims that are another value in ID tokens, or with None left out.
        extra: what the configuration says besides.
        codes: what each code was made for, until it is taken.
        sent: the forms that came to the token endpoint, with the Authorization header.
        now: what time it is.
    """

    person: dict[str, object] = field(default_factory=dict)
    changes: dict[str, object] = field(default_factory=dict)
    extra: dict[str, object] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    sent: list[dict[str, str]] = field(default_factory=list)
    now: Callable[[], float] = time

    def answer(self, target: str) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/authorize" and parts.path not in self.answers:
            return self._authorize(query)
        if parts.path == self.configuration and parts.path not in self.answers:
            said = {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/keys",
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                **self.extra,
            }
            return 200, {"Content-Type": "application/json"}, json.dumps(said).encode()
        return super().answer(target)

    def _authorize(self, query: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        wanted = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256"}
        assert query.items() >= wanted.items()
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe()
        self.codes[code] = dict(query)
        back = {"code": code, "state": query["state"], "iss": self.url}
        return 302, {"Location": f"{query['redirect_uri']}?{urlencode(back)}"}, b""

    def take(self, form: Mapping[str, str], authorization: str) -> tuple[int, Mapping[str, object]]:
        """What the token endpoint answers."""
        self.sent.append({**form, "authorization": authorization})
        pair = base64.b64encode(f"the%20index:{'a%20secret%3A%20of%20the%20client'}".encode())
        posted = (form.get("client_id"), form.get("client_secret"))
        if authorization != f"Basic {pair.decode()}" and posted != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form.get("redirect_uri")
        ):
            return 400, {"error": "invalid_grant"}
        claims = {"aud": CLIENT_ID, "nonce": asked["nonce"], "jti": None, **self.person}
        if "max_age" in asked:
            claims["auth_time"] = int(self.now())
        token = self.sign({**claims, **self.changes}, now=self.now())
        return 200, {"access_token": "nobody needs it", "token_type": "Bearer", "id_token": token}


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    """A provider that answers on loopback."""
    key = rsa_key("first")
    found = IdentityProvider(0, key, [key])
    with answering(found):
        yield found
