"""Bodies of uploads that are no form, half a form, or two forms at once."""

import base64
from collections.abc import Callable, Mapping, Sequence

from tests.malformed.cases import (
    AUTHORIZATION,
    BOUNDARY,
    MULTIPART,
    SENT_BY_A_CLIENT,
    WHEEL,
    Cases,
    Malformed,
    file_part,
    form,
    part,
    text_part,
    truth,
    wheel_with,
)

MIB = 1024 * 1024

Parts = list[bytes]


def fields() -> Parts:
    return truth(wheel_with())


def file() -> bytes:
    return file_part(wheel_with())


def whole() -> bytes:
    return form([*fields(), file()])


def body(made: Callable[[], bytes], says: str, status: int = 400, **headers: str) -> Malformed:
    sent = {**SENT_BY_A_CLIENT, **{name.replace("_", "-"): text for name, text in headers.items()}}
    return Malformed(status, says, headers=sent, body=made)


def typed(content_type: str, says: str) -> Malformed:
    return body(whole, says, Content_Type=content_type)


def parts(*more: bytes, says: str, status: int = 400) -> Malformed:
    """A sound upload with further parts before its file."""
    return body(lambda: form([*fields(), *more, file()]), says, status)


def behind(*more: bytes, says: str) -> Malformed:
    """A sound upload with further parts behind its file."""
    return body(lambda: form([*fields(), file(), *more]), says)


def but(says: str, /, **values: str | bytes | None) -> Malformed:
    """An upload with these fields instead; None leaves one out. `action` is `:action`."""

    def made() -> bytes:
        renamed = {":action" if name == "action" else name: v for name, v in values.items()}
        kept = [
            sent
            for sent in fields()
            if not any(sent.startswith(text_part(name, b"")[:-4]) for name in renamed)
        ]
        said = [text_part(name, value) for name, value in renamed.items() if value is not None]
        return form([*kept, *said, file()])

    status = 410 if values.get("action") == "submit" else 400
    return body(made, says, status)


def sent_as(head: str, says: str) -> Malformed:
    """An upload whose file has these headers."""
    return body(lambda: form([*fields(), part(head, wheel_with())]), says)


NO_FORM = "The request is not multipart/form-data."
NO_BOUNDARY = "The Content-Type of the request has no valid boundary."
NOT_BEGUN = "The form does not begin with its boundary."
STOPPED = "The upload stopped before its end."
GOES_ON = "The form goes on after its last boundary."
NOT_VALID = "The request is not a valid form"
DISPOSITION = 'Content-Disposition: form-data; name="content"; filename="' + WHEEL + '"'
FIELD = 'Content-Disposition: form-data; name="summary"'
FORM_FIELD = "The form field"


def _bodies() -> Cases:
    return {
        "nothing": body(bytes, STOPPED),
        "noise": body(lambda: bytes(range(256)) * 99, NOT_BEGUN),
        "zeros": body(lambda: bytes(MIB), NOT_BEGUN),
        "JSON": body(lambda: b'{"name": "odd"}', NOT_BEGUN),
        "a wheel alone": body(wheel_with, NOT_BEGUN),
        "line ends alone": body(lambda: b"\r\n" * 50_000, NOT_BEGUN),
        "a boundary alone": body(lambda: f"--{BOUNDARY}".encode(), STOPPED),
        "boundaries alone": body(lambda: f"--{BOUNDARY}\r\n".encode() * 1000, NOT_VALID),
        "only the end": body(lambda: form([]), "The :action has to be 'file_upload'."),
        "no end": body(lambda: form([*fields(), file()], end=b""), STOPPED),
        "half an end": body(
            lambda: form([*fields(), file()], end=f"--{BOUNDARY}-".encode()), STOPPED
        ),
        "two ends": body(lambda: whole() + f"--{BOUNDARY}--\r\n".encode(), GOES_ON),
        "two forms": body(lambda: whole() * 2, GOES_ON),
        "something before it": body(lambda: b"This is a form." + whole(), NOT_BEGUN),
        "a line feed before it": body(lambda: b"\n" + whole(), NOT_BEGUN),
        "a book before it": body(lambda: b"Once.\r\n" * 50_000 + whole(), NOT_BEGUN),
        "something behind it": body(lambda: whole().removesuffix(b"\r\n") + b"more", GOES_ON),
        "a book behind it": body(lambda: whole() + b"The end.\r\n" * 50_000, GOES_ON),
        "blanks behind a boundary": body(
            lambda: whole().replace(b"undary\r\n", b"undary" + b" " * MIB + b"\r\n"),
            "too many blanks behind its boundaries",
        ),
        "zeros behind it": body(lambda: whole() + bytes(MIB), GOES_ON),
        "line feeds only": body(lambda: whole().replace(b"\r\n", b"\n"), NOT_VALID),
        "carriage returns only": body(lambda: whole().replace(b"\r\n", b"\r"), NOT_VALID),
        "cut in its first line": body(lambda: whole()[:5], STOPPED),
        "cut in a header": body(lambda: whole()[:30], STOPPED),
        "cut between two parts": body(lambda: form(fields(), end=b""), STOPPED),
        "cut in the file": body(lambda: whole()[:-200], STOPPED),
        "cut in its last line": body(lambda: whole()[:-8], STOPPED),
        "a boundary within the file": body(
            lambda: form([*fields(), file_part(wheel_with() + b"\r\n--b0undary\r\n")]), NOT_VALID
        ),
        "an end within the file": body(
            lambda: form([*fields(), file_part(b"\r\n--b0undary--\r\n" + wheel_with())]), GOES_ON
        ),
    }


def _content_types() -> Cases:
    return {
        "no type": typed("", NO_FORM),
        "the type of a link": typed("application/x-www-form-urlencoded", NO_FORM),
        "the type of JSON": typed("application/json", NO_FORM),
        "the type of another form": typed(f"multipart/mixed; boundary={BOUNDARY}", NO_FORM),
        "a type of noise": typed("\xff\xfe/;;==,,", NO_FORM),
        "a type of many parameters": typed("multipart/form-data" + "; a=b" * 1000, NO_BOUNDARY),
        "no boundary": typed("multipart/form-data", NO_BOUNDARY),
        "a boundary without a value": typed("multipart/form-data; boundary", NO_BOUNDARY),
        "an empty boundary": typed('multipart/form-data; boundary=""', NO_BOUNDARY),
        "a boundary of spaces": typed('multipart/form-data; boundary="   "', NO_BOUNDARY),
        "a boundary not in ASCII": typed("multipart/form-data; boundary=b\xe9", "boundary"),
        "a long boundary": typed("multipart/form-data; boundary=" + "b" * 71, NO_BOUNDARY),
        "an endless boundary": typed("multipart/form-data; boundary=" + "b" * 8000, NO_BOUNDARY),
        "another boundary": typed("multipart/form-data; boundary=other", NOT_BEGUN),
        "a part of the boundary": typed("multipart/form-data; boundary=b0unda", NOT_VALID),
        "more than the boundary": typed(f"{MULTIPART}y", NOT_BEGUN),
        "an open quote": typed('multipart/form-data; boundary="b0undary', "boundary"),
    }


def _part_headers() -> Cases:
    return {
        "a part without headers": parts(b"\r\nx", says=NOT_VALID),
        "a part without a disposition": parts(part("X-Y: z"), says=NOT_VALID),
        "a part of another disposition": parts(
            part('Content-Disposition: attachment; name="a"'), says=NOT_VALID
        ),
        "a part without a name": parts(part("Content-Disposition: form-data"), says="has no name"),
        "a part with an empty name": parts(text_part("", "x"), says="has no name"),
        "a name with NUL": parts(text_part("a\0b", "x"), says="contains a NUL character"),
        "a name not in UTF-8": parts(
            part(b'Content-Disposition: form-data; name="a\xff"'), says=NOT_VALID
        ),
        "a name that is endless": parts(text_part("n" * 9000, "x"), says=NOT_VALID),
        "a header without a colon": parts(part(FIELD + "\r\nnonsense"), says=NOT_VALID),
        "a header that is endless": parts(part(FIELD + "\r\nX: " + "x" * 9000), says=NOT_VALID),
        "a header without a name": parts(part(FIELD + "\r\n: x"), says=NOT_VALID),
        "many headers": parts(part(FIELD + "\r\nX: y" * 100), says=NOT_VALID),
        "a header folded over no line": parts(part(" x: y\r\n" + FIELD), says=NOT_VALID),
        "a header folded over many lines": parts(
            part(FIELD + "\r\n  ; x=y" * 2000), says=NOT_VALID
        ),
        "two dispositions": parts(part(FIELD + "\r\n" + FIELD), says="the same header twice"),
        "a part in base64": parts(
            part(FIELD + "\r\nContent-Transfer-Encoding: base64", base64.b64encode(b"x")),
            says="has a Content-Transfer-Encoding",
        ),
        "a part in quoted-printable": parts(
            part(FIELD + "\r\nContent-Transfer-Encoding: quoted-printable", "=41"),
            says="has a Content-Transfer-Encoding",
        ),
        "a part in Latin-1": parts(
            part(FIELD + "\r\nContent-Type: text/plain; charset=latin-1"), says="is not UTF-8"
        ),
        "a part in UTF-7": parts(
            part(FIELD + "\r\nContent-Type: text/plain; charset=utf-7", "+AAA-"),
            says="is not UTF-8",
        ),
        "a part of parts": parts(
            part(FIELD + "\r\nContent-Type: multipart/mixed; boundary=a", "--a\r\n\r\nx\r\n--a--"),
            text_part("summary", "x"),
            says="'summary' is sent 2 times",
        ),
        "content as text": body(
            lambda: form([*fields(), text_part("content", wheel_with())]),
            "must be a file and have a file name",
        ),
        "content of no name": sent_as(
            'Content-Disposition: form-data; name="content"; filename=""',
            "must be a file and have a file name",
        ),
        "content of a picture": sent_as(
            DISPOSITION + "\r\nContent-Type: image/png", "The file is sent as an image"
        ),
        "content of a drawn picture": sent_as(
            DISPOSITION + "\r\nContent-Type: IMAGE/svg+xml; a=b", "The file is sent as an image"
        ),
        "content in base64": sent_as(
            DISPOSITION + "\r\nContent-Transfer-Encoding: base64", "Content-Transfer-Encoding"
        ),
        "content with a name of two lines": sent_as(
            'Content-Disposition: form-data; name="content"; filename="a\nb.whl"', "400"
        ),
        "content with NUL in its name": sent_as(
            'Content-Disposition: form-data; name="content"; filename="a\0.whl"', "NUL character"
        ),
        "content with a name in another notation": sent_as(
            "Content-Disposition: form-data; name=\"content\"; filename*=utf-8''odd.whl",
            "must be a file and have a file name",
        ),
        "content of nothing": body(
            lambda: form([*truth(b""), file_part(b"")]), "The file is empty."
        ),
        "content twice": behind(file(), says="more than one field 'content'"),
        "content as file and as text": behind(
            text_part("content", "x"), says="more than one field 'content'"
        ),
        "no content": body(lambda: form(fields()), "The form has no file"),
        "content by another name": body(
            lambda: form([*fields(), file().replace(b'"content"', b'"file"')]),
            "The field 'file' must be text, and is sent as a file.",
        ),
    }


def many(fill: Callable[[], Parts], says: str) -> Malformed:
    """A sound upload with a great deal before its file."""
    return body(lambda: form([*fields(), *fill(), file()]), says)


def _amounts() -> Cases:
    large = "description"
    signature = 'Content-Disposition: form-data; name="gpg"; filename="a.asc"'
    return {
        "3000 fields": many(lambda: [text_part("a", "")] * 3000, "more than 2048 fields"),
        "100000 fields": many(lambda: [text_part("a", "")] * 100_000, "more than 2048 fields"),
        "2041 fields behind the file": body(
            lambda: form([*fields(), file(), *[text_part("a", "")] * 2041]),
            "more than 2048 fields",
        ),
        "a field of 2 MiB": many(
            lambda: [text_part(large, b"x" * 2 * MIB)], "is larger than 1048576 bytes"
        ),
        "a field of 64 MiB": many(
            lambda: [text_part(large, b"x" * 64 * MIB)], "is larger than 1048576 bytes"
        ),
        "fields of 20 MiB together": many(
            lambda: [text_part(f"a{i}", b"x" * (MIB - 1)) for i in range(20)],
            "are larger than 16777216 bytes",
        ),
        "a signature of 2 MiB": many(
            lambda: [part(signature, b"x" * 2 * MIB)], "is larger than 1048576 bytes"
        ),
        "no fields, and a file of 16 MiB": body(
            lambda: form([file_part(bytes(16 * MIB))]), "The :action has to be 'file_upload'."
        ),
    }


def _fields() -> Cases:
    single = ("action", "name", "version", "filetype", "pyversion", "sha256_digest", "summary")
    twice: Mapping[str, Sequence[str]] = {
        ":action" if name == "action" else name: ["x", "y"] for name in single
    }
    return {
        **{
            f"no {name}": but(f"{FORM_FIELD} '{name}' is missing", **{name: None})
            for name in ("name", "version", "filetype", "pyversion")
        },
        **{
            f"{name} twice, and differently": body(
                lambda name=name, values=values: form(  # type: ignore[misc]
                    [*fields(), *(text_part(name, v) for v in values), file()]
                ),
                f"'{name}' is sent",
            )
            for name, values in twice.items()
        },
        "no action": but("The :action has to be", action=None),
        "another action": but("The :action has to be", action="remove"),
        "a retired action": but("The action 'submit' is gone", action="submit"),
        "another protocol": but("The protocol_version has to be 1.", protocol_version="2"),
        "a protocol that is no number": but("The protocol_version", protocol_version="一"),
        "a summary with NUL": but("contains a NUL character", summary="a\0b"),
        "a summary not in UTF-8": but("is not UTF-8", summary=b"\xff\xfe"),
        "a summary of half characters": but("is not UTF-8", summary=b"\xed\xa0\xbd"),
        "a name that is none": but("is an invalid value for Name", name="../etc"),
        "a name of other letters": but("is an invalid value for Name", name="\u043edd"),
        "a name of two lines": but("is an invalid value for Name", name="odd\r\nX: y"),
        "a name of a query": but("is an invalid value for Name", name="' OR 1=1 --"),
        "an endless name": but("is an invalid value for Name", name="o" * 100_000),
        "a name of a module": but("The name 'json' isn't allowed", name="json"),
        "a name that looks like another": but("is too similar to", name="examp1e"),
        "a version that is none": but("is an invalid value for Version", version="latest"),
        "a version of other digits": but(
            "is an invalid value for Version", version="\u0967.\u0966"
        ),
        "a local version": but("is a local version", version="1.0+x"),
        "an endless version": but("is an invalid value for Version", version="1." * 40_000 + "1"),
        "a version with endless digits": but("invalid value for Version", version="9" * 90_000),
        "an egg": but("this index takes 'sdist'", filetype="bdist_egg"),
        "a wheel said to be an sdist": but(
            "The file is of the type 'bdist_wheel'", filetype="sdist", pyversion="source"
        ),
        "a wheel of another version": but("The file is of the version 1.0", version="1.1"),
        "a wheel of another project": but("The file is of the project 'odd'", name="peculiar"),
        "no digest": but("The form has no digest", sha256_digest=None),
        "a digest that is none": but("has to be 64 hexadecimal digits", sha256_digest="g" * 64),
        "a digest that is short": but("has to be 64 hexadecimal digits", sha256_digest="0" * 63),
        "a digest of other digits": but("has to be 64 hexadecimal", sha256_digest="\u0660" * 64),
        **{
            f"a {name} of another file": but(
                "does not match the digest calculated", **{name: "0" * length}
            )
            for name, length in (
                ("md5_digest", 32),
                ("sha256_digest", 64),
                ("blake2_256_digest", 64),
            )
        },
        "a flag that is neither": but("it has to be true or false", staged="perhaps"),
        "a field that nearly says staged": but("The form has the field", Staged="true"),
        "two flags that disagree": but("says both", staged="true", draft="false"),
        "fields behind the file that are wrong": body(
            lambda: form([file(), *fields(), text_part("name", "other")]), "'name' is sent 2 times"
        ),
        "a digest behind the file that is wrong": body(
            lambda: form([file(), *fields()[:-1], text_part("sha256_digest", "0" * 64)]),
            "does not match the digest calculated",
        ),
    }


def _credentials() -> Cases:
    bad = "Invalid or non-existent authentication information."
    headers = {
        "no credentials": "",
        "credentials of noise": "\xff\xfe\x80",
        "credentials of no scheme": "gr_" + "A" * 48,
        "credentials of another scheme": 'Digest username="ada", realm="x"',
        "Basic and nothing": "Basic",
        "Basic that is no base64": "Basic !!!!",
        "Basic of half a quantum": "Basic YWRh",
        "Basic that is not UTF-8": "Basic " + base64.b64encode(b"__token__:\xff\xfe").decode(),
        "Basic with NUL": "Basic " + base64.b64encode(b"__token__:gr_\0").decode(),
        "Basic without a password": "Basic " + base64.b64encode(b"__token__:").decode(),
        "a token that nobody has": "Bearer gr_" + "A" * 48,
        "an endless token": "Bearer gr_" + "A" * 7000,
        "a token of a query": "Bearer ' OR ''='",
        "two tokens": f"{AUTHORIZATION}, {AUTHORIZATION}",
        "a token and more": f"{AUTHORIZATION} x",
    }
    passwords = "Basic " + base64.b64encode(b"ada:correct horse battery staple").decode()
    return {name: body(whole, bad, 403, Authorization=value) for name, value in headers.items()} | {
        "a token of another index": body(
            whole, "a token of another service", 403, Authorization="Bearer pypi-AgEIcHlwaS5vcmc"
        ),
        "a password": body(whole, "Passwords cannot upload", 403, Authorization=passwords),
    }


def _queries() -> Cases:
    def asked(query: str, says: str, status: int = 400) -> Malformed:
        return Malformed(
            status, says, path=f"/legacy/?{query}", headers=SENT_BY_A_CLIENT, body=whole
        )

    return {
        "a query not in UTF-8": asked("staged=%ff", "is not UTF-8"),
        "a query flag that is neither": asked("staged=%00", "it has to be true or false"),
        "a query that nearly says staged": asked("stage=true", "write ?staged=true"),
        "a query that nobody knows": asked("x=" + "y" * 4000, "write ?staged=true"),
        "a query without a name": asked("=true", "write ?staged=true"),
        "a query flag of two minds": asked("staged=true&staged=false", "says both"),
    }


CASES: Cases = {
    f"form: {name}": case
    for group in (
        _bodies,
        _content_types,
        _part_headers,
        _amounts,
        _fields,
        _credentials,
        _queries,
    )
    for name, case in group().items()
}
