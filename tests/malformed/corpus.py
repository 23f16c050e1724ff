"""All cases, by name."""

from tests.malformed import contents, forms, requests, sdists, wheels
from tests.malformed.cases import Cases

CASES_BY_TOPIC: dict[str, Cases] = {
    "wheels": wheels.CASES,
    "sdists": sdists.CASES,
    "contents": contents.CASES,
    "forms": forms.CASES,
    "requests": requests.CASES,
}

DISTRIBUTIONS: Cases = wheels.CASES | sdists.CASES | contents.CASES
REQUESTS: Cases = forms.CASES | requests.CASES
CORPUS: Cases = DISTRIBUTIONS | REQUESTS
