"""Requests to every other address that no client in its senses would send.

Some are merely odd, and are answered as if they were not.
"""

from urllib.parse import urlencode

from tests.malformed.cases import Cases, Malformed

FORM = "application/x-www-form-urlencoded"
NOTHING = "There is nothing at this address."
NOT_FOUND = "<h1>Not found</h1>"


def get(path: str, status: int, says: str = "", method: str = "GET", **headers: str) -> Malformed:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Malformed(status, says, method, path, sent)


def post(
    path: str,
    body: str | bytes,
    status: int,
    says: str,
    content_type: str = FORM,
    **headers: str,
) -> Malformed:
    content = body.encode() if isinstance(body, str) else body
    sent = {
        "Content-Type": content_type,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return Malformed(status, says, "POST", path, sent, lambda: content)


def signed_in(path: str, body: str | bytes, status: int, says: str, **headers: str) -> Malformed:
    """A form of a person who is signed in, with the token that proves it is their own."""
    content = body.encode() if isinstance(body, str) else body
    return post(path, b"csrf_token={csrf}&" + content, status, says, Cookie="{session}", **headers)


def _addresses() -> Cases:
    return {
        "not in UTF-8": get("/simple/%ff%fe/", 404, "the address is not UTF-8"),
        "half a character": get("/project/%ed%a0%80/", 404, "the address is not UTF-8"),
        "NUL": get("/simple/exam%00ple/", 404, NOTHING),
        "NUL at the root": get("/%00", 404, NOTHING),
        "line ends": get("/simple/a%0d%0aSet-Cookie:x=y/", 404, NOTHING),
        "control characters": get("/project/%1b%5b2J/", 404, NOTHING),
        "out of the root": get("/../../../etc/passwd", 404, NOTHING),
        "out of the root, encoded": get("/%2e%2e/%2e%2e/etc/passwd", 404, NOTHING),
        "out of the root, encoded twice": get("/%252e%252e/etc/passwd", 404, NOTHING),
        "out of the root by backslashes": get("/..%5c..%5cetc%5cpasswd", 404, NOTHING),
        "out of the static files": get("/static/../../../etc/passwd", 404, NOTHING),
        "out of the static files, encoded": get("/static/%2e%2e/%2e%2e/pyproject.toml", 404),
        "out of the static files by a root": get("/static//etc/passwd", 404),
        "a static file with NUL": get("/static/greenroom.css%00.png", 404),
        "a static folder": get("/static/", 404),
        "a static file too deep": get("/static/" + "a/" * 500, 404),
        "an endless name": get("/simple/" + "x" * 7000 + "/", 404, NOTHING),
        "endless folders": get("/simple" + "/x" * 3000, 404, NOTHING),
        "endless slashes": get("/" * 5000 + "simple", 301),
        "endless dots": get("/." * 2000 + "/simple/", 301),
        "a name of a query": get("/simple/'%20OR%201=1--/", 404, NOTHING),
        "a name of a template": get("/project/%7b%7b7*7%7d%7d/", 404, NOTHING),
        "a name of wildcards": get("/project/%25_%25/", 404, NOTHING),
        "a name that runs": get("/project/%3Cscript%3E/", 404, NOTHING),
        "a name of other letters": get("/simple/%D0%B5xample/", 404, NOTHING),
        "a name with a long s": get("/project/%C5%BFample/", 404, NOTHING),
        "a version that is none": get("/project/Example/latest/", 404, NOTHING),
        "a version of endless digits": get("/project/Example/" + "9" * 5000 + "/", 404, NOTHING),
        "a version of other digits": get("/project/Example/%D9%A1.0/", 404, NOTHING),
        "a version with NUL": get("/project/Example/1.0%00/", 404, NOTHING),
        "a user of control characters": get("/user/%01/", 404, NOTHING),
        "a user of endless letters": get("/user/" + "a" * 5000 + "/", 404, NOTHING),
        "a digest that is none": get("/packages/zz/zz/" + "z" * 60 + "/x.whl", 404, NOTHING),
        "a digest of another file": get("/packages/00/00/" + "0" * 60 + "/x.whl", 404, NOTHING),
        "a digest that is cut": get("/packages/aa/", 404, NOTHING),
        "a file with NUL": get("{file}%00", 404, NOTHING),
        "a file behind a file": get("{file}/x", 404, NOTHING),
        "metadata of metadata": get("{file}.metadata.metadata", 404, NOTHING),
        "a slug that is none": get("/draft/" + "A" * 22 + "/", 404, NOTHING),
        "a slug that is endless": get("/draft/" + "A" * 7000 + "/", 404, NOTHING),
        "a slug with NUL": get("/draft/{open}%00/", 404, NOTHING),
        "a slug in other letters": get("/draft/%C4%B0/simple/", 404, NOTHING),
        "a slug that was": get("/draft/{rotated}/", 404, NOTHING),
        "a draft that ended": get("/draft/{discarded}/simple/", 410),
        "a file of a draft that ended": get("/draft/{discarded}/files/%ff", 404),
        "a file of a draft outside": get("/draft/{open}/files/..%2f..%2fx", 404, NOTHING),
        "a file of a draft with NUL": get("/draft/{open}/files/x%00", 404, NOTHING),
        "another project in a draft": get("/draft/{open}/simple/hidden/", 404, NOTHING),
        "an API without credentials": get("/api/drafts/example/3.0", 404, NOTHING),
        "an API with bad credentials": get(
            "/api/drafts/example/3.0", 401, Authorization="Basic \xff"
        ),
        "an API of a version with NUL": get(
            "/api/drafts/example/3.0%00", 404, NOTHING, Authorization="Bearer {token}"
        ),
        "an API of endless digits": get(
            "/api/drafts/example/" + "9" * 5000, 404, NOTHING, Authorization="Bearer {token}"
        ),
        "an API of a name with NUL": get(
            "/api/drafts/%00/1", 404, NOTHING, Authorization="Bearer {token}"
        ),
        "an API too deep": get(
            "/api/drafts/example/3.0/x", 404, NOTHING, Authorization="Bearer {token}"
        ),
    }


def _queries() -> Cases:
    return {
        "query not in UTF-8": get("/account/login?next=%ff", 400, "is not encoded in UTF-8"),
        "query with NUL": get("/account/login?next=%00", 400, "NUL characters"),
        "query twice": get("/account/login?next=/a&next=/b", 400, "more than once"),
        "query of endless fields": get("/account/login?" + "a&" * 3000, 400, "too many fields"),
        "query of an endless value": get("/account/login?next=" + "x" * 6000, 400, "4096"),
        "query that leads elsewhere": get("/account/login?next=//evil.example", 200),
        "query that nobody asked for": get("/simple/?a=%ff&b=%00;c[]=1", 200),
        "query of a template": get("/account/login?next=/%7b%7b7*7%7d%7d", 200),
        "query in a redirect": get("/simple?%0d%0aX:1&%ff", 301),
        "page that is none": get("/manage/?page=-1", 303),
        "page of endless digits": get(
            "/manage/?page=" + "9" * 4000, 400, "is no page number", Cookie="{session}"
        ),
        "page of other digits": get(
            "/manage/?page=%D9%A1", 400, "is no page number", Cookie="{session}"
        ),
        "page beyond the last": get("/manage/?page=999999", 404, Cookie="{session}"),
    }


def _methods() -> Cases:
    return {
        **{
            f"method {method} of {path}": get(path, status, method=method)
            for method, path, status in (
                ("POST", "/simple/", 405),
                ("PUT", "/simple/example/", 405),
                ("DELETE", "{file}", 405),
                ("PATCH", "/project/Example/", 405),
                ("TRACE", "/simple/", 405),
                ("CONNECT", "/simple/", 405),
                ("PROPFIND", "/simple/", 405),
                ("BREW", "/legacy/", 405),
                ("PUT", "/legacy/", 405),
                ("HEAD", "/legacy/", 405),
                ("DELETE", "/draft/{open}/", 405),
                ("DELETE", "/draft/{discarded}/", 405),
                ("POST", "/draft/{open}/simple/", 405),
                ("DELETE", "/search/", 405),
                ("DELETE", "/nothing", 404),
                ("POST", "/static/greenroom.css", 400),
                ("OPTIONS", "/nothing", 404),
                ("OPTIONS", "/simple/", 204),
            )
        },
        "a body with a GET": Malformed(
            200, "", "GET", "/simple/", {"Content-Type": FORM}, lambda: b"x" * 100_000
        ),
        "a redirect of a POST": Malformed(
            308, "", "POST", "/legacy", {"Content-Type": FORM}, lambda: b"x" * 100_000
        ),
    }


def _headers() -> Cases:
    simple, page, file = "/simple/example/", "/project/Example/", "{file}"
    return {
        **{
            f"Accept {name}": get(simple, status, Accept=value)
            for name, value, status in (
                ("of noise", "\xff\xfe", 200),
                ("of commas", ",,,,", 200),
                ("of an endless list", ", ".join(["a/b"] * 1000), 406),
                ("of a quality above one", "text/html;q=9", 200),
                ("of a quality that is none", "text/html;q=much", 200),
                ("of endless digits", "text/html;q=0." + "0" * 5000, 200),
                ("of nothing we have", "image/png", 406),
                ("that refuses everything", "*/*;q=0", 406),
                ("of endless parameters", "text/html" + ";a=b" * 1500, 406),
                ("of an open quote", 'text/html;a="', 200),
            )
        },
        **{
            f"Range {name}": get(file, status, Range=value)
            for name, value, status in (
                ("of noise", "\xff", 200),
                ("of nothing", "bytes=", 200),
                ("of nothing at both ends", "bytes=-", 200),
                ("backwards", "bytes=9-1", 200),
                ("beyond the end", "bytes=999999-", 416),
                ("of the last 0 bytes", "bytes=-0", 416),
                ("of more than there is", "bytes=0-999999999", 206),
                ("of endless digits", "bytes=" + "9" * 5000 + "-", 200),
                ("of other digits", "bytes=\xb2-", 200),
                ("of other units", "lines=0-5", 200),
                ("of a thousand ranges", "bytes=" + ",".join(["0-0"] * 1000), 200),
                ("negative", "bytes=--5", 200),
            )
        },
        **{
            f"If-Range {name}": get(file, status, Range="bytes=0-3", If_Range=value)
            for name, value, status in (
                ("of noise", "\xff\xfe", 200),
                ("of an open quote", '"', 200),
                ("of another tag", '"other"', 200),
                ("of a weak tag", 'W/"other"', 200),
                ("of a date", "Thu, 01 Jan 1970 00:00:00 GMT", 200),
                ("of a date that never was", "Thu, 99 Foo 99999 99:99:99 GMT", 200),
                ("of a date too far", "Thu, 01 Jan 99999999 00:00:00 GMT", 200),
            )
        },
        **{
            f"If-None-Match {name}": get(simple, status, If_None_Match=value)
            for name, value, status in (
                ("of noise", "\xff\xfe", 200),
                ("of an open quote", '"', 200),
                ("of anything", "*", 304),
                ("of an endless list", '"a", ' * 1500, 200),
                ("of quotes", '"' * 5000, 200),
                ("of backslashes", '"\\', 200),
            )
        },
        **{
            f"If-Modified-Since {name}": get(path, 200, If_Modified_Since=value)
            for path in (simple, page, "/static/greenroom.css", file)
            for name, value in (
                (f"of noise, {path}", "\xff\xfe"),
                (f"of a date that never was, {path}", "Thu, 99 Foo 0000 99:99:99 GMT"),
                (f"of a year too far, {path}", "Thu, 01 Jan 99999999 00:00:00 GMT"),
                (f"of a zone too far, {path}", "Thu, 01 Jan 2000 00:00:00 +99999999999999"),
                (f"of endless digits, {path}", "Thu, 01 Jan " + "9" * 5000 + " 00:00:00 GMT"),
            )
        },
        **{
            f"Cookie {name}": get("/account/", 303, Cookie=value)
            for name, value in (
                ("of noise", "\xff\xfe\x80"),
                ("of semicolons", ";" * 5000),
                ("of no session", "greenroom=nonsense"),
                ("of an empty session", "greenroom="),
                ("of a forged session", "greenroom=" + "A" * 500),
                ("of a session in no base64", "greenroom=!!!!\xe9"),
                ("of an endless session", "greenroom=" + "A" * 8000),
                ("of many sessions", "; ".join(["greenroom=x"] * 500)),
                ("of an open quote", 'greenroom="\\'),
                ("of octals", 'greenroom="\\377\\400\\999"'),
            )
        },
        **{
            f"Host {name}": get("/simple/", 400, "The Host header is not valid", Host=value)
            for name, value in (
                ("of noise", "\xff\xfe"),
                ("of a path", "index.example/evil"),
                ("of a user", "ada@index.example"),
                ("of a port that is none", "index.example:port"),
                ("of half an address", "[::1"),
                ("of a query", "index.example?x"),
                ("of markup", "<script>"),
                ("of many ports", "a:1:2:3"),
            )
        },
        **{
            f"{name} that is forged, {number}": get(
                "/simple/", 200, **{name.replace("-", "_"): value}
            )
            for name, values in (
                ("X-Forwarded-For", ("\xff", "1.2.3.4, " * 800, "<script>", "::ffff:zz")),
                ("X-Forwarded-Proto", ("javascript", "\xff", "https, " * 1000)),
                ("X-Forwarded-Host", ("evil.example", "a b", "\xff", "[")),
                ("X-Forwarded-Port", ("99999999", "\xff")),
                ("Forwarded", ("for=;;;host=evil.example", "\xff")),
                ("X-HTTP-Method-Override", ("DELETE",)),
                ("X-Original-URL", ("/admin/",)),
                ("Content-Type", ("multipart/form-data", "\xff;\xfe=", "a/b; charset=nonsense")),
                ("Accept-Encoding", ("\xff", "gzip;q=nan", "," * 5000)),
                ("Accept-Language", ("\xff", "x" * 5000)),
                ("Origin", ("null", "\xff")),
                ("Referer", ("\xff", "javascript:1")),
                ("Upgrade", ("websocket", "h2c")),
                ("User-Agent", ("\xff" * 1000, "() { :; }; x")),
            )
            for number, value in enumerate(values, 1)
        },
    }


def _forms() -> Cases:
    draft, login = "/manage/project/Example/draft/3.0", "/account/login"
    utf8 = "is sent as application/x-www-form-urlencoded"
    expired = "This form has expired"
    return {
        "no token": post(login, "username=ada&password=x", 400, expired),
        "a token of noise": post(login, "csrf_token=%01&username=ada", 400, expired),
        "a token not in ASCII": post(login, "csrf_token=%C3%A9", 400, expired),
        "a token of another session": post(login, "csrf_token={csrf}", 400, expired),
        "a token in a header, of noise": post(login, "", 400, expired, X_CSRF_Token="\xff"),
        "not in UTF-8": post(login, "username=%ff", 400, "is not encoded in UTF-8"),
        "raw bytes": post(login, b"username=\xff", 400, "is not encoded as forms are"),
        "NUL": post(login, "username=%00", 400, "NUL characters"),
        "a field twice": post(login, "username=a&username=b", 400, "more than once"),
        "endless fields": post(login, "a=b&" * 5000, 400, "too many fields"),
        "an endless value": post(login, "username=" + "x" * 5000, 400, "4096 characters"),
        "100 KiB": post(login, "username=" + "x" * 100_000, 400, "is larger than 65536 bytes"),
        "JSON": post(login, "{}", 400, utf8, "application/json"),
        "multipart": post(login, "--a--", 400, utf8, "multipart/form-data; boundary=a"),
        "another character set": post(login, "a=b", 400, utf8, f"{FORM}; charset=utf-16"),
        "a character set of noise": post(login, "a=b", 400, utf8, f"{FORM}; charset=\xff"),
        "no type": post(login, "a=b", 400, utf8, ""),
        "a type of noise": post(login, "a=b", 400, utf8, "\xff\xfe;;=="),
        "an unsafe address without a form": post("/account/logout", "", 400, expired),
        "a form for an address that takes none": post("/user/ada/", "a=b", 405, "answers to GET"),
        "a registration that is closed": get("/account/register", 404, NOTHING),
        "a first administrator too late": get(
            "/account/first-administrator?key=%FF", 400, "is not encoded"
        ),
        "a first administrator of an invented key": get(
            "/account/first-administrator?key=%C3%A9", 404, NOTHING
        ),
        "a password too long": signed_in(
            "/account/password",
            urlencode({"current": "x" * 4000, "new": "y" * 4000, "again": "y" * 4000}),
            422,
            "Field cannot be longer than 1000 characters.",
        ),
        "a draft of a version that is none": signed_in(
            "/manage/project/Example/draft/%00/publish", "", 404, NOTHING
        ),
        "a draft of endless digits": signed_in(
            "/manage/project/Example/draft/" + "9" * 5000 + "/discard", "", 404, NOTHING
        ),
        "a discarding of another version": signed_in(
            f"{draft}/discard", "typed=%E2%80%AE3.0", 422, "nothing was done"
        ),
        "a file that is not there": signed_in(
            f"{draft}/remove", "filename=..%2F..%2Fetc%2Fpasswd", 404, ""
        ),
        "a file without a name": signed_in(f"{draft}/remove", "filename=", 404, ""),
        "an administrator that is none": signed_in(
            "/admin/users/ada/disable", "reason=x", 404, NOTHING
        ),
        "an act that is none": signed_in(f"{draft}/explode", "", 404, ""),
        "a token that is not there": signed_in(
            "/account/tokens/revoke", "token=" + "9" * 30, 404, ""
        ),
        "a token of a project that is not there": signed_in(
            "/account/tokens/",
            "label=x&permissions=stage&lifetime=90&project=%2E%2E%2F",
            422,
            "Not a valid choice",
        ),
        "a lifetime that is none": signed_in(
            "/account/tokens/",
            "label=x&permissions=stage&lifetime=99999999999&project=",
            422,
            "Not a valid choice",
        ),
        "a role for nobody": signed_in(
            "/manage/project/Example/invite", "username=%F0%9F%98%80&role=Owner", 422, "user"
        ),
        "a role that is none": signed_in(
            "/manage/project/Example/invite", "username=ada&role=God", 422, "Not a valid choice"
        ),
        "an invitation that is none": signed_in(
            "/account/invitations/accept", f"invitation={'9' * 30}", 404, "no such invitation"
        ),
        "a team that has no name": signed_in(
            "/account/teams/", "name=%E2%80%AE", 400, "The name of a team"
        ),
        "a team that is not there": signed_in(
            "/account/teams/%E2%80%AE/invite", "username=ada&role=owner", 404, NOTHING
        ),
        "a role that nobody has": signed_in(
            "/manage/project/Example/remove-role", "user=%E2%80%AE&typed=x", 404, ""
        ),
        "a role in a project that is not there": signed_in(
            "/manage/project/%00/invite", "username=ada&role=Owner", 404, NOTHING
        ),
        "a permission that is none": signed_in(
            "/account/tokens/",
            "label=x&permissions=root&lifetime=90&project=",
            422,
            "choice",
        ),
    }


def _faces() -> Cases:
    call = "<methodCall><methodName>%s</methodName><params>%s</params></methodCall>"
    value = "<param><value>%s</value></param>"
    calls: dict[str, tuple[str | bytes, str]] = {
        "nothing": ("", "fault"),
        "noise": (bytes(range(256)), "fault"),
        "no XML": ("{}", "fault"),
        "half a call": ("<methodCall><methodName>x", "fault"),
        "nothing it knows": (call % ("x", ""), "fault"),
        "a method that runs": (call % ("__class__.__mro__", ""), "fault"),
        "laughter": (
            '<!DOCTYPE a [<!ENTITY a "x"><!ENTITY b "&a;&a;&a;&a;">]>' + call % ("&b;", ""),
            "fault",
        ),
        "a file": ('<!DOCTYPE a SYSTEM "file:///etc/passwd">' + call % ("x", ""), "fault"),
        "depth": ("<methodCall>" + "<a>" * 20_000, "fault"),
        "deep arrays": (
            call % ("changelog_since_serial", value % ("<array><data><value>" * 1000)),
            "fault",
        ),
        "a number of endless digits": (
            call % ("changelog_since_serial", value % f"<int>{'9' * 5000}</int>"),
            "fault",
        ),
        "a number beyond all serials": (
            call % ("changelog_since_serial", value % f"<i8>{2**70}</i8>"),
            "",
        ),
        "a negative number": (call % ("changelog_since_serial", value % "<int>-1</int>"), ""),
        "a name of control characters": (
            call % ("package_roles", value % "<string>&#1;</string>"),
            "fault",
        ),
        "a name with NUL": (call % ("user_packages", value % "<string>a\0</string>"), "fault"),
        "many parameters": (call % ("package_roles", value % "x" * 500), "fault"),
    }
    searches = (
        ("of nothing", ""),
        ("of blanks", "%20%09"),
        ("of quotes", "%22%22%22%27%27"),
        ("of a syntax", "a%20AND%20(b%20OR%20NOT%20c*)%20NEAR/2%20%5Ed"),
        ("of operators", "%26%20%7C%20!%20%3C-%3E%20:*"),
        ("of columns", "name:x%20summary:y"),
        ("of wildcards", "%25%25_%5C*%3F"),
        ("of control characters", "%01%1b%7f"),
        ("of half a surrogate in text", "%F0%9F%98%80"),
        ("of noncharacters", "%EF%BF%BF%EF%BF%BE"),
        ("of markup", "%3Cscript%3Ealert(1)%3C/script%3E"),
    )
    return {
        **{
            f"XML-RPC of {name}": post("/pypi", body, 200, says, "text/xml")
            for name, (body, says) in calls.items()
        },
        "XML-RPC of 100 KiB": post("/pypi", "x" * 100_000, 413, "at most", "text/xml"),
        "XML-RPC that is an upload": post("/pypi", "x", 415, "Files are uploaded to", "a/b"),
        **{f"search {name}": get(f"/search/?q={query}", 200) for name, query in searches},
        "search of many words": get("/search/?q=" + "a+" * 1500, 400, "200 characters at most"),
        "search of one endless word": get("/search/?q=" + "x" * 4000, 400, "200 characters"),
        "search not in UTF-8": get("/search/?q=%ff", 400, "is not encoded in UTF-8"),
        "search with NUL": get("/search/?q=%00", 400, "NUL characters"),
        "search twice": get("/search/?q=a&q=b", 400, "more than once"),
        "search of a page that is none": get("/search/?q=a&page=%C2%B2", 400, "no page number"),
        "search of a page too far": get("/search/?q=example&page=999999", 404),
        "JSON of a name with NUL": get("/pypi/%00/json", 404),
        "JSON of a version that is none": get("/pypi/example/latest/json", 404, "Not Found"),
        "JSON of endless digits": get("/pypi/example/" + "9" * 5000 + "/json", 404, "Not Found"),
        "JSON of a draft": get("/pypi/example/3.0/json", 404, "Not Found"),
        "JSON not in UTF-8": get("/pypi/%ff/json", 404),
        "a feed of a name with NUL": get("/rss/project/%00/releases.xml", 404),
        "a feed that is not there": get("/rss/..%2fetc%2fpasswd.xml", 404),
    }


CASES: Cases = {
    f"{kind}: {name}": case
    for kind, group in (
        ("address", _addresses),
        ("address", _queries),
        ("method", _methods),
        ("header", _headers),
        ("page", _forms),
        ("face", _faces),
    )
    for name, case in group().items()
}
