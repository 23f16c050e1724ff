"""Codes of authenticator apps (TOTP, RFC 6238): six digits, another one every thirty seconds."""

import hmac
from datetime import datetime

_STEP = 30
_STEPS_OFF = 1
"""How many steps a clock may be behind or ahead."""


def new_secret() -> str:
    """What an app and this index compute codes of, as people type it: Base32."""
    import pyotp

    return pyotp.random_base32()


def address(secret: str, account: str, issuer: str) -> str:
    """The ``otpauth:`` URI that apps read from a picture."""
    import pyotp

    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=issuer)


def step_of(secret: str, code: str, now: datetime, last_step: int | None) -> int | None:
    """The time step that a code is of, which is to be remembered.

    None where it is of none near now, or of one that is not newer than the last: each code is taken
    once.
    """
    import pyotp

    app, present = pyotp.TOTP(secret), int(now.timestamp()) // _STEP
    found = None
    for step in range(present - _STEPS_OFF, present + _STEPS_OFF + 1):
        is_it = hmac.compare_digest(app.generate_otp(step), code)
        if is_it and (last_step is None or step > last_step):
            found = step
    return found
