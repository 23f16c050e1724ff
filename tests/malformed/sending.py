"""The ground that malformed requests are sent to, and what they are filled in with."""

from collections.abc import Mapping

from tests.malformed.cases import Malformed
from tests.web.conftest import Site
from tests.web.standing import StockedSite, fetch


def values(stocked: StockedSite) -> dict[str, str]:
    """What stands in cases for the tokens and addresses of this index."""
    browser = stocked.site.sign_in("ada")
    csrf = browser.get("/account/").forms["logout"]["csrf_token"].value
    listed = fetch(stocked.site, "/simple/example/").text
    wheel = next(line for line in listed.splitlines() if ".whl" in line)
    return stocked.slugs | {
        "token": stocked.token,
        "session": f"greenroom={browser.cookies['greenroom']}",
        "csrf": str(csrf),
        "file": wheel.partition('href="../..')[2].partition("#")[0],
    }


def filled(case: Malformed, values: Mapping[str, str]) -> Malformed:
    """The case with everything in braces filled in."""

    def fill(text: str) -> str:
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    def body() -> bytes:
        return case.body().replace(b"{csrf}", values["csrf"].encode())

    headers = {name: fill(value) for name, value in case.headers.items()}
    return Malformed(case.status, case.says, case.method, fill(case.path), headers, body)


def send(site: Site, case: Malformed) -> tuple[str, str, dict[str, str]]:
    """Status line, text and headers of the answer that the application gives, without a server."""
    body = case.body()
    length = {"Content-Length": str(len(body))} if body or case.method == "POST" else {}
    headers = length | dict(case.headers)
    answer = fetch(site, case.path, method=case.method, headers=headers, body=body)
    return answer.status, answer.body.decode("utf-8", "replace"), dict(answer.headers)
