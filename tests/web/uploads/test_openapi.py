"""Upload 2.0 describes itself (OpenAPI 3.1), and does what the description says."""

import copy
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
import schemathesis
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from webtest.http import StopableWSGIServer

from greenroom.registry import drafts
from greenroom.registry.draft_contents import CONTENT_DIGEST
from greenroom.web.http.draft_nodes import DraftFile
from greenroom.web.http.problem_details import CONTENT_TYPE, Answer, Problem
from greenroom.web.http.urls import Urls
from greenroom.web.uploads.draft_lookup import openapi as draft_openapi
from greenroom.web.uploads.draft_lookup.checks import PostCheck
from greenroom.web.uploads.pep694.openapi import describe
from greenroom.web.uploads.pep694.requests import Message
from greenroom.web.uploads.pep694.resources import (
    FileUploadSession,
    PublishingSession,
    SetOfSessions,
    Sets,
    UploadRoot,
)
from tests import factories
from tests.artifacts import make_wheel
from tests.web.conftest import Site, authorization
from tests.web.standing import fetch, with_settings

Json = dict[str, Any]

ADDRESS = "/upload/2.0/openapi.json"
PATHS: dict[object, str] = {
    UploadRoot: "/",
    PublishingSession: "/session/{session}/",
    FileUploadSession: "/session/{session}/file/{file}/",
    Sets: "/set/",
    SetOfSessions: "/set/{set}/",
}


def test_the_description_is_one() -> None:
    OpenAPIV31SpecValidator(describe(Urls("https://index.example"))).validate()


def test_the_validator_notices_what_is_wrong() -> None:
    description = describe(Urls("https://index.example"))
    del description["paths"]["/"]["post"]["responses"]["201"]["description"]

    with pytest.raises(OpenAPIValidationError):
        OpenAPIV31SpecValidator(description).validate()


def test_every_view_is_described_and_nothing_else(site: Site) -> None:
    views = [
        entry["introspectable"]
        for entry in site.wsgi.router.registry.introspector.get_category("views")
        if entry["introspectable"]["callable"].__module__.startswith(
            "greenroom.web.uploads.pep694."
        )
        # A file's link is the draft's, which is not below the API's address.
        and entry["introspectable"]["context"] is not DraftFile
    ]

    described = {
        (path, method)
        for path, methods in describe(Urls(""))["paths"].items()
        for method in methods.keys() - {"parameters"}
    }
    assert described == {
        (PATHS[view["context"]] + view["name"], str(view["request_methods"]).lower())
        for view in views
    }


def schemas() -> dict[str, Json]:
    """All that there are, of both descriptions."""
    made: dict[str, Json] = {}
    for written in (describe(Urls("")), draft_openapi.describe(Urls(""))):
        made |= written["components"]["schemas"]
    return made


def models() -> dict[str, type[msgspec.Struct]]:
    """What is behind the schemas, by name."""

    def below(kind: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
        for each in kind.__subclasses__():
            yield each
            yield from below(each)

    named = {each.__name__: each for base in (Answer, Message) for each in below(base)}
    return {name: (named | {"PostCheck": PostCheck})[name] for name in schemas()}


def parts(schema: object) -> Iterator[Json]:
    """A schema, and all that are in it."""
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from parts(each)


def test_schemas_say_what_is_taken_and_sent_and_no_more() -> None:
    for name, schema in schemas().items():
        model = models()[name]
        is_closed = not issubclass(model, Message)
        assert schema.get("additionalProperties", True) is not is_closed, name
        assert schema["description"] == model.__doc__
        fields = msgspec.structs.fields(model)
        tag = model.__struct_config__.tag_field
        assert set(schema["properties"]) - {tag} == {field.encode_name for field in fields}
        assert {"title", "default"}.isdisjoint(schema)
        for each in schema["properties"].values():
            assert all({"title", "default"}.isdisjoint(part) for part in parts(each)), name
            assert {"type", "$ref", "anyOf"} & each.keys(), name
    assert schemas()["Problem"]["properties"]["title"] == {"type": "string"}
    assert schemas()["CreateSession"]["required"] == ["meta", "name", "version"]
    mechanism = schemas()["FileUploadBody"]["properties"]["mechanism"]
    assert mechanism["discriminator"]["mapping"].keys() == {
        "http-post-bytes",
        "vnd-greenroom-presigned-v1",
        "vnd-greenroom-resumable-v1",
    }


def test_no_pattern_takes_an_end_of_line_behind_what_it_describes() -> None:
    """Its end also matches before a last end of line: a longest length refuses that."""
    patterns = {
        (part["pattern"], part.get("maxLength"))
        for part in parts(list(schemas().values()))
        if isinstance(part.get("pattern"), str)
    }
    longest = {
        CONTENT_DIGEST: "sha256:" + "0" * 64,
        "^[0-9A-Za-z]{22}$": "a" * 22,
        "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$": "2026-06-01T12:00:00Z",
    }
    assert patterns == {(pattern, len(text)) for pattern, text in longest.items()}
    for pattern, text in longest.items():
        kind = Annotated[str, msgspec.Meta(pattern=pattern, max_length=len(text))]
        assert msgspec.convert(text, kind) == text
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(f"{text}\n", kind)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "400"},
        {"status": 200},
        {"status": True},
        {"errors": []},
        {"meta": {"api-version": "3.0"}},
        {"meta": {"api-version": "2.0", "more": 1}},
        {"detail": None},
        {"more": ""},
    ],
)
def test_what_is_not_as_described_is_not_sent(changes: Json) -> None:
    body = {
        "type": "http://index.example/help/errors/#not-found",
        "status": 404,
        "title": "Not found",
        "detail": "It is not there.",
        "details": "It is not there.",
        "meta": {"api-version": "2.0"},
        "errors": [{"source": "not-found", "message": "It is not there."}],
    }

    assert Problem.checked(body) is body
    with pytest.raises(msgspec.ValidationError):
        Problem.checked(body | changes)


def test_every_name_in_the_description_is_there() -> None:
    description = describe(Urls("https://index.example"))
    text = json.dumps(description)

    for section, named in description["components"].items():
        if section not in ("schemas", "securitySchemes"):
            assert all(f'#/components/{section}/{name}"' in text for name in named), section
    for section, name in re.findall(r"#/components/(\w+)/([\w.-]+)\"", text):
        assert name in description["components"][section]


def test_anybody_may_read_it_and_every_cache_may_keep_it(site: Site) -> None:
    answer = site.app.get(ADDRESS)
    again = site.app.get(ADDRESS, headers={"If-None-Match": answer.headers["ETag"]})

    assert answer.json == describe(Urls("http://index.example"))
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert again.status_int == 304


@pytest.mark.parametrize("path", ["/upload/%ff", "/upload/2.0/%ff", "/upload/2.0/session/%00/"])
def test_an_address_that_names_nothing_is_a_problem_too(site: Site, path: str) -> None:
    answer = fetch(site, path)

    assert answer.status_int == 404
    assert answer.content_type == "application/problem+json"
    assert answer.json_body["errors"][0]["source"] == "not-found"


def config(
    address: str, token: str, *, phases: Json, parameters: Json | None = None
) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "base-url": f"{address}/upload/2.0",
            "seed": 694,
            "generation": {
                "deterministic": True,
                "no-shrink": True,
                "database": "none",
                "max-examples": 10,
            },
            "auth": {"openapi": {"token": {"username": "__token__", "password": token}}},
            "operations": RULES,
            # What is canceled keeps its status for 30 days (PEP 694, Session Status Retention).
            "checks": {
                "use_after_free": {"enabled": False},
                "positive_data_acceptance": {"expected-statuses": list(_ANY)},
            },
            "parameters": parameters or {},
            "phases": phases,
        }
    )


def run(schema: Any) -> tuple[list[str], Counter[tuple[str, int]]]:
    """What is found, and how often each operation gave each status."""
    found: list[str] = []
    seen: Counter[tuple[str, int]] = Counter()
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError):
            found.append(f"{event.label}: {event.value!r}")
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.ScenarioFinished):
            for checks in event.recorder.checks.values():
                for check in checks:
                    if check.failure_info is not None:
                        failure = check.failure_info.failure
                        found.append(
                            f"{failure.operation}: {failure.title}: {failure.message}\n"
                            f"  {check.failure_info.code_sample}"
                        )
            for key, interaction in event.recorder.interactions.items():
                label = event.recorder.cases[key].value.operation.label
                if interaction.response is not None:
                    seen[label, interaction.response.status_code] += 1
    return found, seen


@pytest.fixture
def address(site: Site) -> Iterator[str]:
    """Where the index listens, on loopback."""
    server = StopableWSGIServer.create(with_settings(site, url=None).wsgi)
    yield server.application_url.rstrip("/")
    server.shutdown()


@pytest.fixture
def token(site: Site) -> str:
    site.user()
    return site.token()


_ANY = ("2xx", "304", "401", "403", "404", "409", "410", "429")
# What a schema cannot say: which texts are names, versions and file names, and of what.
RULES = [
    {
        "include-operation-id": operation,
        "checks": {"positive_data_acceptance": {"expected-statuses": [*_ANY, *refusals]}},
    }
    for operation, refusals in {
        "createSession": ["400"],
        "announceFile": ["400", "422"],
        "postBytes": ["400"],
        "appendBytes": ["400"],
        "completeFile": ["400"],
        "joinSet": ["400"],
        "findSet": ["400"],
        "sayGo": ["400"],
    }.items()
]


def test_nothing_is_found_in_a_session(site: Site, address: str, token: str) -> None:
    """Every operation, with all kinds of right and wrong values, on a session and a file."""
    headers = authorization(token)
    session = json_of(post(site, "/upload/2.0/", headers, name="thing", version="1.0"))
    upload = json_of(
        post(
            site,
            session["links"]["upload"],
            headers,
            filename="thing-1.0.tar.gz",
            size=3,
            hashes={"sha256": "0" * 64},
            mechanism="vnd-greenroom-resumable-v1",
        )
    )
    _, key, _, file, _ = upload["links"]["file-upload-session"].rsplit("/", 4)
    schema = schemathesis.openapi.from_url(
        f"{address}{ADDRESS}",
        config=config(
            address,
            token,
            phases={"stateful": {"enabled": False}},
            parameters={"path.session": key, "path.file": file},
        ),
    ).exclude(operation_id=["cancelSession", "cancelFile"])

    found, seen = run(schema)

    assert seen["POST /session/{session}/extend", 200] > 0
    assert seen["HEAD /session/{session}/file/{file}/bytes", 204] > 0
    assert found == [], "\n".join(found)


def post(site: Site, url: str, headers: dict[str, str], **body: Any) -> Any:
    message = json.dumps({"meta": {"api-version": "2.0"}, **body})
    return site.app.post(url, message, headers=headers, content_type=CONTENT_TYPE)


def json_of(response: Any) -> Json:
    body: Json = json.loads(response.body)
    return body


SESSION = ["announceFile", "readSession", "extendSession", "publishSession", "cancelSession"]
# What is done after what, by those who release something.
NEXT = {
    ("/", "post", "201"): ["announceFile"],
    ("/", "post", "409"): SESSION,
    ("/session/{session}/upload", "post", "202"): ["postBytes", "appendBytes", "readFile"],
    ("/session/{session}/file/{file}/bytes", "post", "204"): ["completeFile", "extendFile"],
    ("/session/{session}/file/{file}/bytes", "patch", "204"): ["appendBytes", "completeFile"],
    ("/session/{session}/file/{file}/bytes", "patch", "409"): ["askOffset", "completeFile"],
    ("/session/{session}/file/{file}/complete", "post", "201"): ["publishSession", "readSession"],
    ("/session/{session}/file/{file}/complete", "post", "409"): ["cancelFile", "publishSession"],
    ("/session/{session}/file/{file}/", "delete", "204"): ["announceFile", "readFile"],
    ("/session/{session}/publish", "post", "201"): ["readSession", "cancelSession"],
    ("/session/{session}/publish", "post", "409"): ["readSession", "cancelSession"],
    ("/session/{session}/", "delete", "204"): ["readSession", "announceFile"],
}  # fmt: skip


# All that it sends is right, which is kept alike by both databases.
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_is_found_on_the_way_from_a_session_to_its_publication(
    site: Site, address: str, token: str, tmp_path: Path
) -> None:
    """The client knows what it releases: it sends names of its project, and bytes of its files."""
    schema = schemathesis.openapi.from_dict(
        in_order(json_of(site.app.get(ADDRESS))),
        config=config(
            address,
            token,
            phases={
                **{name: {"enabled": False} for name in ("examples", "coverage", "fuzzing")},
                "stateful": {
                    "enabled": True,
                    "max-steps": 12,
                    "inference": {"algorithms": []},
                    "generation": {"mode": "positive", "max-examples": 30},
                },
            },
        ),
    )

    @schema.hook
    def map_case(context: Any, case: Any) -> Any:
        with site.services.reading() as uow:
            draft = drafts.by_key(uow.db, case.path_parameters.get("session", ""))
        if draft is None:
            return case
        wheel = make_wheel(tmp_path, "thing", draft.version)
        match case.operation.definition.raw["operationId"]:
            case "announceFile":
                size, sha256 = wheel.stat().st_size, factories.artifact_of(wheel).sha256
                case.body |= {"filename": wheel.name, "size": size, "hashes": {"sha256": sha256}}
            case "postBytes":
                case.body = wheel.read_bytes()
            case "appendBytes":
                start = int(case.headers["Upload-Offset"])
                case.body = wheel.read_bytes()[start : start + 500]
        return case

    found, seen = run(schema)

    assert found == [], "\n".join(found)
    assert seen["POST /session/{session}/file/{file}/complete", 201] > 0
    assert seen["POST /session/{session}/publish", 201] > 0


def in_order(description: Json) -> Json:
    """The description, narrowed to one project, with links that lead from the first to the last.

    Those of the description say where the address of what comes next is; what the tool takes is
    the part of the address that makes the difference.
    """
    made = copy.deepcopy(description)
    schemas = made["components"]["schemas"]
    schemas["CreateSession"]["properties"]["name"] = {"const": "thing"}
    schemas["CreateSession"]["properties"]["version"] = {
        "type": "string",
        "pattern": "^[1-9][0-9]{3}$",
    }
    mechanisms = {"enum": ["http-post-bytes", "vnd-greenroom-resumable-v1"]}
    schemas["CreateFileUpload"]["properties"]["mechanism"] = mechanisms
    made["components"]["parameters"]["Upload-Offset"]["schema"] = {"enum": ["0", "500", "1000"]}
    for path, methods in made["paths"].items():
        for method in methods.keys() - {"parameters"}:
            for status, response in methods[method]["responses"].items():
                response.pop("links", None)
                if (path, method, status) in NEXT:
                    response["links"] = {
                        name: {"operationId": name, "parameters": found_in(path, name)}
                        for name in NEXT[path, method, status]
                    }
    return made


def found_in(path: str, operation: str) -> dict[str, str]:
    """Where the parameters of what comes next are, after a request to this path."""
    of_file = operation.endswith(("File", "Bytes", "Offset")) and operation != "announceFile"
    return {
        name: f"$request.path.{name}"
        if f"{{{name}}}" in path
        else f"$response.header.Location#regex:/{name}/([0-9A-Za-z]+)/"
        for name in ("session", "file")
        if of_file or name == "session"
    }
