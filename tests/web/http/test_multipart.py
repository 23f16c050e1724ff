"""A form as it arrives: what is kept, what is refused, and that nothing stays behind."""

import hashlib
import io
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests_toolbelt import MultipartEncoder  # type: ignore[import-untyped]
from urllib3.filepost import encode_multipart_formdata

from greenroom.registry.arriving import OF_NOBODY, Share
from greenroom.registry.artifacts import TooManyBytes
from greenroom.web.http.multipart import (
    LONGEST_PADDING,
    MOST_AROUND,
    BeforeFile,
    BrokenForm,
    ReceivedForm,
    receive,
)

BOUNDARY = "b0undary"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"

Field = tuple[str, str | tuple[str, bytes, str]]


class Trickle:
    """A body that arrives in pieces of given sizes, then in one piece."""

    def __init__(self, body: bytes, sizes: Sequence[int] = ()) -> None:
        self._body = io.BytesIO(body)
        self._sizes = iter(sizes)
        self.pieces_read = 0

    def read(self, size: int = -1, /) -> bytes:
        self.pieces_read += 1
        return self._body.read(min(size, next(self._sizes, size)))


class BrokenPipe:
    """A client that goes away after some bytes."""

    def __init__(self, body: bytes) -> None:
        self._body = io.BytesIO(body)

    def read(self, size: int = -1, /) -> bytes:
        piece = self._body.read(size)
        if not piece:
            raise TimeoutError("timed out")
        return piece


def part(disposition: str, content: bytes = b"x", *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers]
    head = "\r\n".join(lines).encode()
    return b"--" + BOUNDARY.encode() + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n"


def body(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY.encode() + b"--\r\n"


def take(
    content: bytes,
    folder: Path,
    *,
    max_file_size: int = 1000,
    max_field_size: int = 1000,
    max_fields: int = 100,
    max_text_size: int = 10_000,
    ignored_files: Sequence[str] = (),
    before_file: BeforeFile = lambda fields, problems, filename: OF_NOBODY,
) -> ReceivedForm:
    return receive(
        Trickle(content),
        CONTENT_TYPE,
        file_field="content",
        folder=folder,
        max_file_size=max_file_size,
        max_field_size=max_field_size,
        max_fields=max_fields,
        max_text_size=max_text_size,
        ignored_files=ignored_files,
        before_file=before_file,
    )


def padded(form: bytes, blanks: bytes) -> bytes:
    """With blanks behind each boundary but the last."""
    line = b"--" + BOUNDARY.encode()
    return form.replace(line + b"\r\n", line + blanks + b"\r\n")


FILE = part('name="content"; filename="demo-1.0.tar.gz"', b"bytes", "Content-Type: A/B; c=d")


@pytest.fixture(autouse=True)
def _nothing_stays_behind(tmp_path: Path) -> Iterator[None]:
    yield
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_on_disk_for_as_long_as_the_form_is_open(tmp_path: Path) -> None:
    with take(body(FILE), tmp_path) as form:
        assert form.file is not None
        assert form.file.artifact.path.read_bytes() == b"bytes"
        assert form.file.artifact.path.parent == tmp_path
        assert stat.S_IMODE(form.file.artifact.path.stat().st_mode) == 0o600
        assert form.file.artifact.filename == "demo-1.0.tar.gz"
        assert form.file.content_type == "a/b"
    assert not form.file.artifact.path.exists()


def test_a_file_that_was_moved_away_is_kept(tmp_path: Path) -> None:
    with take(body(FILE), tmp_path) as form:
        assert form.file is not None
        kept = form.file.artifact.path.rename(tmp_path / "kept")
    assert kept.read_bytes() == b"bytes"
    kept.unlink()


def test_fields_keep_their_order_and_their_repetitions(tmp_path: Path) -> None:
    parts = [part(f'name="{name}"', name.upper().encode()) for name in ("b", "a", "b")]
    form = take(body(*parts), tmp_path)
    assert form == ReceivedForm({"b": ["B", "B"], "a": ["A"]}, None)


def test_text_is_utf8(tmp_path: Path) -> None:
    form = take(body(part('name="summary"', "grün".encode())), tmp_path)
    assert form.fields == {"summary": ["grün"]}


def test_a_file_that_nobody_wants_is_thrown_away(tmp_path: Path) -> None:
    signature = part('name="gpg_signature"; filename="a.asc"', b"\xff\xfe")
    form = take(body(signature), tmp_path, ignored_files=["gpg_signature"])
    assert form == ReceivedForm(thrown_away=frozenset({"gpg_signature"}))


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        (part('name="a"', b"\xe9"), "The field 'a' is not UTF-8."),
        (
            part('name="a"', b"x", "Content-Type: text/plain; charset=latin-1"),
            "The field 'a' is not UTF-8.",
        ),
        (part('name="a"', b"a\0b"), "The field 'a' contains a NUL character."),
        (part('name="a"; filename="f"'), "The field 'a' must be text, and is sent as a file."),
        (part('name="a"; filename=""'), "The field 'a' must be text, and is sent as a file."),
    ],
)
def test_a_field_that_is_no_text_is_told_and_left_out(
    tmp_path: Path, field: bytes, problem: str
) -> None:
    told: list[str] = []

    def listen(fields: object, problems: Sequence[str], filename: str) -> Share:
        told.extend(problems)
        return OF_NOBODY

    with take(body(field, part('name="b"'), FILE), tmp_path, before_file=listen) as form:
        assert form.problems == (problem,)
        assert list(form.fields) == ["b"]
    assert told == [problem]


def test_a_form_may_have_no_fields_at_all(tmp_path: Path) -> None:
    assert take(body(), tmp_path) == ReceivedForm({}, None)


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_the_last_line_end_is_optional(tmp_path: Path, end: bytes) -> None:
    content = body(part('name="a"', b"1")).removesuffix(b"\r\n") + end
    assert take(content, tmp_path).fields == {"a": ["1"]}


def test_a_file_of_exactly_the_limit_is_taken(tmp_path: Path) -> None:
    content = body(part('name="content"; filename="f"', b"." * 1000))
    with take(content, tmp_path, max_file_size=1000) as form:
        assert form.file is not None
        assert form.file.artifact.size == 1000


def test_a_file_beyond_the_limit_is_refused_while_it_arrives(tmp_path: Path) -> None:
    content = body(part('name="content"; filename="f"', b"." * 10_000))
    stream = Trickle(content, [1000] * 100)
    with pytest.raises(TooManyBytes) as refusal:
        receive(stream, CONTENT_TYPE, file_field="content", folder=tmp_path, max_file_size=2000)
    assert refusal.value.limit == 2000
    assert stream.pieces_read <= 4


def test_a_refusal_by_the_fields_does_not_wait_for_the_file(tmp_path: Path) -> None:
    before: dict[str, Sequence[str]] = {}

    def refuse(
        fields: Mapping[str, Sequence[str]], problems: Sequence[str], filename: str
    ) -> Share:
        before.update(fields)
        raise PermissionError

    stream = Trickle(body(part('name="name"', b"demo"), FILE), [200] * 10)
    with pytest.raises(PermissionError):
        receive(
            stream,
            CONTENT_TYPE,
            file_field="content",
            folder=tmp_path,
            max_file_size=1000,
            before_file=refuse,
        )
    assert before == {"name": ["demo"]}


REFUSED = {
    "two files": (body(FILE, FILE), "more than one field 'content'"),
    "content as text": (body(part('name="content"')), "must be a file and have a file name"),
    "content without a file name": (
        body(part('name="content"; filename=""')),
        "must be a file and have a file name",
    ),
    "no name": (body(part('filename="x"')), "has no name"),
    "an empty name": (body(part('name=""')), "has no name"),
    "NUL in a name": (body(part('name="a\0"')), "contains a NUL character"),
    "NUL in a file name": (body(part('name="content"; filename="a\0"')), "NUL character"),
    "an encoded part": (
        body(part('name="a"', b"x", "Content-Transfer-Encoding: base64")),
        "Content-Transfer-Encoding",
    ),
    "a header twice": (
        body(part('name="a"', b"x", 'Content-Disposition: form-data; name="b"')),
        "same header twice",
    ),
    "a preamble without a line end": (b"hello" + body(FILE), "does not begin with its boundary"),
    "a preamble with half a line end": (
        b"hello\n" + body(FILE),
        "does not begin with its boundary",
    ),
    "a long preamble": (
        b"h" * (MOST_AROUND + 1) + b"\r\n" + body(FILE),
        "does not begin with its boundary",
    ),
    "a preamble alone": (b"hello\r\n" * 9, "does not begin with its boundary"),
    "an epilogue without a line end": (
        body(FILE).removesuffix(b"\r\n") + b"hello",
        "goes on after its last boundary",
    ),
    "a long epilogue": (body(FILE) + b"h" * MOST_AROUND, "goes on after its last boundary"),
    "many blanks behind a boundary": (
        padded(body(FILE), b" " * (LONGEST_PADDING + 10)),
        "too many blanks behind its boundaries",
    ),
    "blanks behind many boundaries": (
        padded(body(*[part('name="a"')] * 90), b" " * 1000),
        "too many blanks behind its boundaries",
    ),
    "blanks and more behind a boundary": (padded(body(FILE), b" x"), "not a valid form"),
    "blanks within the end": (
        body(FILE).removesuffix(b"--\r\n") + b" --\r\n",
        "not a valid form",
    ),
    "a folded header without one before it": (
        body(b"--b0undary\r\n x: y\r\n" + part('name="a"').partition(b"\r\n")[2]),
        "not a valid form",
    ),
    "an endless folded header": (
        body(part('name="a"', b"x", "X: y" + "\r\n z" * 3000)),
        "not a valid form",
    ),
    "two forms": (body(FILE) + body(FILE), "goes on after its last boundary"),
    "two ends": (body(FILE) + body(), "goes on after its last boundary"),
    "an end within the file": (
        body(part('name="content"; filename="a"', b"\r\n" + body() + b"more")),
        "goes on after its last boundary",
    ),
    "nothing": (b"", "stopped before its end"),
    "something else": (b'{"name": "demo"}', "does not begin with its boundary"),
    "a huge header": (body(part('name="a"', b"x", "X: " + "x" * 9000)), "not a valid form"),
}


@pytest.mark.parametrize(("content", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(BrokenForm) as refusal:
        take(content, tmp_path)
    assert sentence in refusal.value.sentence


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000])
def test_a_boundary_behind_the_form_is_refused_however_it_is_cut(
    tmp_path: Path, piece: int
) -> None:
    stream = Trickle(body(FILE) + b"hello\r\n--" + BOUNDARY.encode(), [piece] * 1000)
    with pytest.raises(BrokenForm):
        receive(stream, CONTENT_TYPE, file_field="content", folder=tmp_path, max_file_size=99)


AROUND: dict[str, Callable[[bytes], bytes]] = {
    "an empty preamble": lambda form: b"\r\n" + form,
    "a preamble": lambda form: b"This is a form.\r\n" + form,
    "a preamble of many lines": lambda form: b"--\r\n--b0undar\r\n\r\nx\r\n" + form,
    "a preamble as long as it may be": lambda form: b"h" * (MOST_AROUND - 4) + b"\r\n" + form,
    "an epilogue": lambda form: form + b"That was a form.",
    "an epilogue of many lines": lambda form: form + b"\r\n--\r\n--b0undar\r\n",
    "an epilogue as long as it may be": lambda form: form + b"h" * (MOST_AROUND - 2),
    "blanks behind boundaries": lambda form: padded(form, b" \t"),
    "blanks as many as may be": lambda form: padded(form, b" " * LONGEST_PADDING),
    "blanks at the end": lambda form: form.removesuffix(b"\r\n") + b" \t ",
    "a line feed at the end": lambda form: form.removesuffix(b"\r\n") + b"\n",
    "all of it": lambda form: b"\r\n\r\n" + padded(form, b"  ") + b"\r\nmore",
}


@pytest.mark.parametrize("name", AROUND)
@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000, 10**6])
def test_what_stands_around_the_parts_is_passed_over(tmp_path: Path, name: str, piece: int) -> None:
    form = body(part('name="a"', b"1"), FILE, part('name="b"', b"\r\n--b0undar\r\n"))
    sent = AROUND[name](form)
    if len(sent) > 10_000 and piece < 1000:
        piece = len(sent) // 1000
    stream = Trickle(sent, [piece] * len(sent))

    with receive(
        stream, CONTENT_TYPE, file_field="content", folder=tmp_path, max_file_size=99
    ) as received:
        assert received.fields == {"a": ["1"], "b": ["\r\n--b0undar\r\n"]}
        assert received.file is not None
        assert received.file.artifact.path.read_bytes() == b"bytes"


@pytest.mark.parametrize("fold", ["\r\n ", "\r\n\t", "\r\n   "])
def test_a_header_may_be_folded(tmp_path: Path, fold: str) -> None:
    content = body(part(f'{fold}name="a"', b"1"), FILE.replace(b"; f", f";{fold}f".encode()))

    with take(content, tmp_path) as form:
        assert form.fields == {"a": ["1"]}
        assert form.file is not None
        assert form.file.artifact.filename == "demo-1.0.tar.gz"


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/form-data; boundary="b0undary"',
        "Multipart/Form-Data;BOUNDARY=b0undary",
        "multipart/form-data ;\tcharset=utf-8 ; boundary=b0undary;",
        'multipart/form-data; a="; boundary=x"; boundary="b0un\\dary"',
    ],
)
def test_a_content_type_is_read_as_http_has_it(tmp_path: Path, content_type: str) -> None:
    stream = Trickle(body(FILE))
    receive(stream, content_type, file_field="content", folder=tmp_path, max_file_size=99).discard()


def test_a_field_beyond_its_limit_is_refused(tmp_path: Path) -> None:
    content = body(FILE, part('name="description"', b"x" * 101))
    with pytest.raises(BrokenForm, match="'description' is larger than 100 bytes"):
        take(content, tmp_path, max_field_size=100)


def test_too_many_fields_are_refused(tmp_path: Path) -> None:
    content = body(FILE, *[part('name="a"')] * 10)
    with pytest.raises(BrokenForm, match="more than 10 fields"):
        take(content, tmp_path, max_fields=10)
    take(content, tmp_path, max_fields=11).discard()


def test_fields_too_large_together_are_refused(tmp_path: Path) -> None:
    content = body(FILE, *[part('name="a"', b"x" * 50)] * 3)
    with pytest.raises(BrokenForm, match="larger than 149 bytes"):
        take(content, tmp_path, max_text_size=149)


@pytest.mark.parametrize(
    ("content_type", "sentence"),
    [
        (None, "not multipart/form-data"),
        ("", "not multipart/form-data"),
        ("application/json", "not multipart/form-data"),
        ("multipart/mixed; boundary=x", "not multipart/form-data"),
        ("multipart/form-data", "no valid boundary"),
        ("multipart/form-data; boundary=", "no valid boundary"),
        ('multipart/form-data; boundary="a\r\nb"', "no valid boundary"),
        ("multipart/form-data; boundary=" + "b" * 71, "no valid boundary"),
        ("multipart/form-data; boundary=a; boundary=a", "no valid boundary"),
        ('multipart/form-data; x="a; boundary=b0undary', "no valid boundary"),
    ],
)
def test_other_content_types_are_refused(
    tmp_path: Path, content_type: str | None, sentence: str
) -> None:
    with pytest.raises(BrokenForm) as refusal:
        receive(
            Trickle(body(FILE)),
            content_type,
            file_field="content",
            folder=tmp_path,
            max_file_size=99,
        )
    assert sentence in refusal.value.sentence


def test_a_client_that_goes_away_leaves_nothing(tmp_path: Path) -> None:
    stream = BrokenPipe(body(FILE)[:-20])
    with pytest.raises(BrokenForm, match="stopped before its end"):
        receive(stream, CONTENT_TYPE, file_field="content", folder=tmp_path, max_file_size=99)


@pytest.mark.parametrize("piece", [1, 5, 100_000])
def test_a_body_cut_anywhere_is_broken(tmp_path: Path, piece: int) -> None:
    whole = body(
        part('name=":action"', b"file_upload"),
        FILE,
        part('name="gpg_signature"; filename="a.asc"', b"\r\n--b0undar\r\n"),
    )
    for length in range(len(whole) - len(b"\r\n")):
        stream = Trickle(whole[:length], [piece] * length)
        with pytest.raises(BrokenForm):
            receive(stream, CONTENT_TYPE, file_field="content", folder=tmp_path, max_file_size=99)
        assert list(tmp_path.iterdir()) == [], length


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200)
names = st.from_regex(r"[a-z_:]{1,20}", fullmatch=True).filter(lambda name: name != "content")
contents = st.one_of(
    st.binary(max_size=3000),
    st.lists(
        st.sampled_from(
            [b"\r", b"\n", b"\r\n", b"--", b"\r\n--", b"\r\n--" + BOUNDARY.encode()[:5]]
        )
    ).map(b"".join),
)
cuts = st.lists(st.integers(1, 300), max_size=200)


@given(
    before=st.lists(st.tuples(names, texts), max_size=5),
    content=contents,
    after=st.lists(st.tuples(names, texts), max_size=5),
    sizes=cuts,
    with_toolbelt=st.booleans(),
)
def test_what_was_sent_is_what_is_received(
    tmp_path: Path,
    before: list[tuple[str, str]],
    content: bytes,
    after: list[tuple[str, str]],
    sizes: list[int],
    with_toolbelt: bool,
) -> None:
    file: Field = ("content", ("demo-1.0.tar.gz", content, "application/octet-stream"))
    sent: list[Field] = [*before, file, *after]
    encoded, content_type = _encode_with_toolbelt(sent) if with_toolbelt else _encode(sent)
    expected: dict[str, list[str]] = {}
    for name, text in before + after:
        expected.setdefault(name, []).append(text)

    stream = Trickle(encoded, sizes)
    with receive(
        stream, content_type, file_field="content", folder=tmp_path, max_file_size=10_000
    ) as form:
        assert form.fields == expected
        assert form.file is not None
        assert form.file.artifact.path.read_bytes() == content
        assert form.file.artifact.size == len(content)
        assert form.file.artifact.md5 == hashlib.md5(content, usedforsecurity=False).hexdigest()
        assert form.file.artifact.sha256 == hashlib.sha256(content).hexdigest()
        assert form.file.artifact.blake2_256 == hashlib.blake2b(content, digest_size=32).hexdigest()


@given(content=st.binary(max_size=500), sizes=cuts)
def test_noise_is_refused_or_taken_but_nothing_else(
    tmp_path: Path, content: bytes, sizes: list[int]
) -> None:
    stream = Trickle(b"--" + BOUNDARY.encode() + content, sizes)
    try:
        receive(
            stream, CONTENT_TYPE, file_field="content", folder=tmp_path, max_file_size=99
        ).discard()
    except (BrokenForm, TooManyBytes):
        assert list(tmp_path.iterdir()) == []


def _encode(fields: list[Field]) -> tuple[bytes, str]:
    return encode_multipart_formdata(fields)


def _encode_with_toolbelt(fields: list[Field]) -> tuple[bytes, str]:
    encoder = MultipartEncoder(fields)
    return encoder.read(), encoder.content_type
