"""No secret comes into a log, wherever in a text it stands."""

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom import redaction
from greenroom.registry.random_text import random_text

SLUG = "aB3dE5gH7jK9mN1pQ3sT5v"
TOKEN = "gr_" + "Ab3dEf9h" * 6


def quoted(text: str) -> str:
    return "".join(f"%{ord(letter):02x}" for letter in text)


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (f"/draft/{SLUG}/simple/", "/draft/aB3d…/simple/"),
        (f"/%64raft/{SLUG}/", "/draft/aB3d…/"),
        (f"/draft/{quoted(SLUG)}/", "/draft/aB3d…/"),
        (f"/draft/{quote(quoted(SLUG))}/", "/draft/aB3d…/"),
        (f"//draft//{SLUG}", "//draft//aB3d…"),
        (f"/draft/x/../{SLUG}/", "/draft/x/../aB3d…/"),
        (f"/Drafts/{SLUG}/", "/Drafts/aB3d…/"),
        (f"/{SLUG}", "/aB3d…"),
        ("/draft/abcdefghijklmnopqrstuv/", "/draft/abcd…/"),
        (f"/account/login/?next=/draft/{SLUG}/&x", "/account/login/?next=…&…"),
        (f"/search/?{SLUG}", "/search/?…"),
        (f"/search/?{SLUG}=1&q=secret&page=2", "/search/?…&q=…&page=…"),
        (f"http://index.example/draft/{SLUG}/?a=b", "/draft/aB3d…/?a=…"),
        (f"/legacy/{TOKEN}", "/legacy/gr_Ab3dEf9h…"),
        ("/simple/numpy/", "/simple/numpy/"),
        ("/manage/project/demo/draft/1.0.post12345/", "/manage/project/demo/draft/1.0.post12345/"),
        (f"/packages/ab/cd/{'0123456789abcdef' * 3}/demo-1.0-py3-none-any.whl",) * 2,
        ("/simple/caf%C3%A9/", "/simple/caf%C3%A9/"),
        ("/a%0d%0ab", "/a%0D%0Ab"),
        ("/" + "a" * 5000, "/" + "a" * 1023 + "…"),
        ("*", "*"),
    ],
)
def test_of_a_target_nothing_secret_is_shown(target: str, shown: str) -> None:
    assert redaction.target(target) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Key (slug)=({SLUG}) already exists.", "Key (slug)=(aB3d…) already exists."),
        (f"no such token: {TOKEN}", "no such token: gr_Ab3dEf9h…"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic …"),
        ("GET https://b.example/x?X-Amz-Signature=12 failed", "GET https://b.example/x?… failed"),
        ("postgresql://me:secret@db.example/x", "postgresql://…@db.example/x"),
        ("mail to Ada+tag@mail.index.example, please", "mail to …@mail.index.example, please"),
        ("sqlalchemy.exc.PendingDeprecationWarning", "sqlalchemy.exc.PendingDeprecationWarning"),
        ("digest 0123456789abcdef0123456789abcdef",) * 2,
    ],
)
def test_of_a_text_nothing_secret_is_shown(text: str, shown: str) -> None:
    assert redaction.text(text) == shown


@given(before=st.text(), after=st.text(), data=st.data())
def test_random_text_is_never_shown(before: str, after: str, data: st.DataObject) -> None:
    secret = data.draw(st.sampled_from([random_text(22), "gr_" + random_text(48)]))
    hidden = data.draw(st.sampled_from([secret, quoted(secret), quote(quoted(secret))]))

    assert secret not in redaction.text(f"{before}/{secret}/{after}")
    assert secret not in redaction.target(f"/{before}/draft/{hidden}/{after}")
    credentials = base64.b64encode(f"__token__:{secret}".encode()).decode()
    assert credentials not in redaction.text(f"{before} Basic {credentials} {after}")
