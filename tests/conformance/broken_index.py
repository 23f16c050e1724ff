"""An index that is broken in one place: WSGI around the real one, which alters what it answers.

A *variant* is a function that is shown each exchange after the index has answered, and alters it;
or, with ``before``, the request on its way in. It says which cases have to find it, and which
cannot be looked at any more because of it (``blocks``).
"""

import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from conformance.distributions import normalized

JSON = "application/vnd.pypi.upload.v2+json"

_ENDPOINTS = {
    "root": r"/upload/2\.0/",
    "session": r"/upload/2\.0/session/\w+/",
    "announce": r"/upload/2\.0/session/\w+/upload",
    "publish": r"/upload/2\.0/session/\w+/publish",
    "extend": r"/upload/2\.0/session/\w+/extend",
    "file": r"/upload/2\.0/session/\w+/file/\w+/",
    "complete": r"/upload/2\.0/session/\w+/file/\w+/complete",
    "bytes": r"/upload/2\.0/session/\w+/file/\w+/bytes",
    "extend file": r"/upload/2\.0/session/\w+/file/\w+/extend",
    "stage": r"/draft/\w+/simple/.*",
    "link": r"/draft/\w+/files/.*",
    "public": r"/simple/.*",
}


@dataclass
class Exchange:
    """A request, and what the index answered."""

    index: "BrokenIndex"
    method: str
    path: str
    authorization: str
    sent: bytes
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""

    @property
    def what(self) -> str:
        """Method and endpoint, as in ``POST publish``."""
        for name, pattern in _ENDPOINTS.items():
            if re.fullmatch(pattern, self.path):
                return f"{self.method} {name}"
        return f"{self.method} something"

    @property
    def message(self) -> Any:
        """What was sent, in JSON, if that is an object."""
        try:
            found = json.loads(self.sent)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def body(self) -> dict[str, Any]:
        """What was answered, in JSON; alter it with :meth:`say`."""
        try:
            found = json.loads(self.content)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def is_message(self) -> bool:
        """Whether the answer is a success in the form of the API."""
        return self.status < 400 and self.headers.get("Content-Type", "").startswith(JSON)

    @property
    def is_session(self) -> bool:
        return self.is_message and "mechanisms" in self.body

    @property
    def is_error(self) -> bool:
        return self.status >= 400 and self.path.startswith(("/upload/", "/draft/"))

    @property
    def by_stranger(self) -> bool:
        return self.authorization == self.index.stranger

    @property
    def code(self) -> str:
        """Which kind of refusal it is."""
        return str(self.body.get("type", "")).partition("#")[2]

    def say(self, body: dict[str, Any], status: int | None = None) -> None:
        """Answer this instead."""
        self.content = json.dumps(body).encode()
        if status is not None:
            self.headers = {"Content-Type": JSON, "Retry-After": "1"}
            self.status = status

    def take(self, other: "Exchange", status: int | None = None) -> None:
        """Answer what another exchange answered."""
        self.status = other.status if status is None else status
        self.headers, self.content = dict(other.headers), other.content

    def as_owner(self, method: str | None = None, path: str | None = None) -> "Exchange":
        """The same request, or another one, by who may."""
        again = Exchange(
            self.index, method or self.method, path or self.path, self.index.owner, self.sent
        )
        if method is not None:
            again.sent = b""
        self.index.ask(again)
        return again

    @property
    def session_path(self) -> str:
        """Where the session is that this is about."""
        found = re.match(r"/upload/2\.0/session/\w+/", self.path)
        return found[0] if found else ""


Alter = Callable[[Exchange, dict[str, Any]], None]


@dataclass(frozen=True)
class Variant:
    """A way to be broken. It has a memory of its own for each run."""

    name: str
    alter: Alter
    finds: frozenset[str]
    blocks: frozenset[str]
    before: bool
    # Only an index that defers publication can be broken in this way.
    reviewed: bool


VARIANTS: list[Variant] = []


def variant(
    *finds: str, blocks: Iterable[str] = (), before: bool = False, reviewed: bool = False
) -> Callable[[Alter], Alter]:
    """Make a function a variant, which the cases of these names find."""

    def register(alter: Alter) -> Alter:
        name = getattr(alter, "__name__", "")
        found = frozenset(finds)
        VARIANTS.append(Variant(name, alter, found, frozenset(blocks), before, reviewed))
        return alter

    return register


class BrokenIndex:
    """The application, altered by a variant."""

    def __init__(self, app: WSGIApplication, broken: Variant, owner: str, stranger: str) -> None:
        self.app = app
        self.broken = broken
        self.owner = owner
        self.stranger = stranger
        self.memory: dict[str, Any] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        self.environ = environ
        exchange = Exchange(
            self,
            environ["REQUEST_METHOD"],
            environ["PATH_INFO"],
            environ.get("HTTP_AUTHORIZATION", ""),
            environ["wsgi.input"].read(),
        )
        if self.broken.before:
            self.broken.alter(exchange, self.memory)
        if not exchange.status:
            self.ask(exchange)
        if not self.broken.before:
            self.broken.alter(exchange, self.memory)
        exchange.headers["Content-Length"] = str(len(exchange.content))
        start_response(f"{exchange.status} Altered", list(exchange.headers.items()))
        return [exchange.content]

    def ask(self, exchange: Exchange) -> None:
        """Let the real index answer."""
        environ = dict(self.environ)
        environ.pop("HTTP_AUTHORIZATION", None)
        environ |= {
            "REQUEST_METHOD": exchange.method,
            "PATH_INFO": exchange.path,
            "CONTENT_LENGTH": str(len(exchange.sent)),
            "wsgi.input": io.BytesIO(exchange.sent),
        }
        if exchange.authorization:
            environ["HTTP_AUTHORIZATION"] = exchange.authorization

        def start_response(status: str, headers: list[tuple[str, str]], exc: Any = None) -> Any:
            exchange.status = int(status.split()[0])
            exchange.headers = {name.title(): value for name, value in headers}
            return io.BytesIO().write

        result = self.app(environ, start_response)
        try:
            exchange.content = b"".join(result)
        finally:
            if hasattr(result, "close"):
                result.close()


# What follows from a session that is never published: these cases have nothing to look at.
UNPUBLISHED = (
    "publication_answers_201_or_202",
    "publication_has_a_location",
    "published_is_published",
    "published_takes_no_changes",
    "published_files_are_public",
    "published_release_takes_another_session",
    "published_release_takes_another_file",
    "published_filename_is_a_conflict",
    "published_file_is_not_overwritten",
    "registered_name_is_taken",
)
# And what cannot be looked at where no publication is asked for.
UNDECIDED = (
    "processing_is_not_canceled",
    "processing_is_not_created_again",
    "processing_reserves_filenames",
    "processing_shows_nothing",
)


# Creating sessions


@variant(
    "creation_answers_201",
    "later_session_is_another",
    "published_release_takes_another_session",
    "canceled_first_release_frees_the_name",
)
def creation_answers_200(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST root" and exchange.status == 201:
        exchange.status = 200


@variant("creation_has_a_location")
def creation_without_location(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST root" and exchange.status == 201:
        del exchange.headers["Location"]


@variant("creation_has_a_location")
def creation_with_another_location(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST root" and exchange.status == 201:
        exchange.headers["Location"] = exchange.body["links"]["stage"]


@variant("second_creation_is_a_conflict")
def conflict_without_location(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST root" and exchange.status == 409:
        exchange.headers.pop("Location", None)


@variant("strangers_do_not_learn_of_the_session")
def conflict_before_permission(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST root" and exchange.status == 403:
        message = exchange.message
        draft = exchange.as_owner("GET", f"/api/drafts/{message['name']}/{message['version']}")
        if draft.status == 200:
            exchange.take(exchange.as_owner())


@variant("second_creation_is_a_conflict", "name_is_normalized")
def second_creation_joins(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST root" and exchange.status == 409:
        path = exchange.headers["Location"].partition("index.example")[2]
        exchange.take(exchange.as_owner("GET", path), 201)


@variant("name_is_normalized")
def names_are_taken_as_written(exchange: Exchange, memory: dict[str, Any]) -> None:
    name = exchange.message.get("name", "") if exchange.what == "POST root" else ""
    if exchange.status == 409 and name != normalized(name):
        path = exchange.headers["Location"].partition("index.example")[2]
        exchange.take(exchange.as_owner("GET", path), 201)


@variant("name_has_the_standard_format", before=True)
def any_name_is_mended(exchange: Exchange, memory: dict[str, Any]) -> None:
    message = exchange.message
    if exchange.what == "POST root" and "name" in message:
        mended = re.sub(r"[^\w.-]", "", message["name"]).strip("-") or "nothing"
        exchange.sent = json.dumps(message | {"name": mended}).encode()


@variant(
    "name_is_reserved",
    "strangers_do_not_learn_of_the_session",
    "registered_name_is_taken",
)
def names_are_open_to_everyone(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST root" and exchange.status == 403:
        exchange.take(exchange.as_owner())


@variant("later_session_is_another", "published_release_takes_another_session")
def session_url_is_reused(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session:
        # So that this does not show as well.
        exchange.say(exchange.body | {"expires-at": "2099-01-01T00:00:00Z"})
    if exchange.what == "POST root" and exchange.status == 201:
        body, message = exchange.body, exchange.message
        which = f"{message['name']} {message['version']}"
        body["links"]["session"] = memory.setdefault(which, body["links"]["session"])
        exchange.headers["Location"] = body["links"]["session"]
        exchange.say(body)


@variant("other_major_version_is_refused", before=True)
def every_version_is_taken(exchange: Exchange, memory: dict[str, Any]) -> None:
    message = exchange.message
    if message.get("meta") == {"api-version": "3.0"}:
        exchange.sent = json.dumps(message | {"meta": {"api-version": "2.0"}}).encode()


@variant("required_keys_are_required", "body_that_is_no_message_is_refused", before=True)
def meta_may_be_missing(exchange: Exchange, memory: dict[str, Any]) -> None:
    message = exchange.message
    if exchange.what == "POST root" and message:
        exchange.sent = json.dumps({"meta": {"api-version": "2.0"}} | message).encode()


# Bodies


@variant("api_version_is_2_0")
def version_2_1(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_message:
        exchange.say(exchange.body | {"meta": {"api-version": "2.1"}})


@variant("content_type_of_answers")
def plain_json(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_message:
        exchange.headers["Content-Type"] = "application/json"


@variant("session_expiry_is_in_whole_seconds", "upload_expiry_is_in_whole_seconds")
def fractional_expiry(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_message:
        expires = exchange.body["expires-at"].replace("Z", ".250Z")
        exchange.say(exchange.body | {"expires-at": expires})


@variant("session_expiry_is_in_whole_seconds")
def expiry_without_zulu(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session:
        expires = exchange.body["expires-at"].replace("Z", "+00:00")
        exchange.say(exchange.body | {"expires-at": expires})


@variant("expiry_is_never_moved_earlier")
def expiry_moves_earlier(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what in ("POST complete", "POST publish") and exchange.is_message:
        exchange.say(exchange.body | {"expires-at": "2020-02-02T00:00:00Z"})
    if exchange.what == "GET file" and exchange.body.get("status") == "completed":
        exchange.say(exchange.body | {"expires-at": "2020-02-02T00:00:00Z"})


@variant("deleted_files_are_not_listed", "file_link_deletes")
def canceled_files_stay_listed(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session:
        body = exchange.body
        seen = memory.setdefault(body["links"]["session"], {})
        gone = {name: entry | {"status": "canceled"} for name, entry in seen.items()}
        seen.update(body["files"])
        exchange.say(body | {"files": gone | body["files"]})


@variant(
    "links_are_there",
    blocks=[
        *UNPUBLISHED,
        *UNDECIDED,
        "empty_session_is_published",
        "failed_file_blocks_publication",
        "pending_file_blocks_publication",
        "rejected_publication_changes_nothing",
        "rejection_names_the_files",
        "stage_only_credentials_do_not_publish",
        # Their scenes ask every endpoint there is.
        "canceled_is_canceled",
        "canceled_session_gives_nothing",
        "canceled_status_is_kept",
        "challenge_comes_with_401",
        "files_are_canceled_with_their_session",
        "later_session_is_another",
        "nobody_gets_401",
        "bytes_need_credentials",
        "session_with_files_is_canceled",
        "stranger_changes_nothing",
        "stranger_gets_403",
        "stranger_sends_no_bytes",
    ],
)
def no_link_to_publish(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session:
        body = exchange.body
        body["links"].pop("publish", None)
        exchange.say(body)


@variant("links_are_there", "file_links_are_absolute")
def links_without_a_host(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session:
        body = exchange.body
        for owner in (body["links"], *body["files"].values()):
            for key in ("session", "upload", "link"):
                if key in owner:
                    owner[key] = owner[key].removeprefix("http://index.example")
        exchange.headers["Location"] = body["links"]["session"]
        exchange.say(body)


@variant("required_mechanism_is_listed")
def required_mechanism_is_not_listed(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session:
        exchange.say(exchange.body | {"mechanisms": ["vnd-greenroom-resumable-v1"]})


@variant("vendor_mechanisms_have_the_prefix", "vendor_mechanisms_are_well_named")
def mechanism_without_prefix(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session:
        exchange.say(exchange.body | {"mechanisms": ["http-post-bytes", "Resumable_V1"]})


@variant("mechanisms_are_listed", "required_mechanism_is_listed")
def no_mechanisms(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session:
        exchange.say(exchange.body | {"mechanisms": []})


@variant("notices_are_sentences")
def notices_are_one_text(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session:
        exchange.say(exchange.body | {"notices": " ".join(exchange.body["notices"])})


@variant(
    "token_and_stage_cannot_be_guessed",
    "file_links_cannot_be_guessed",
    # There is nothing at the address that the count makes.
    "stage_lists_the_file",
)
def tokens_are_counted(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session:
        body = exchange.body
        real = body["session-token"]
        body["session-token"] = f"session-{memory.setdefault(real, len(memory)):014}"
        body["links"].pop("stage", None)
        body["links"]["stage"] = f"http://index.example/draft/{body['session-token']}/simple/"
        exchange.say(body)


@variant("token_and_stage_come_together", "previews_are_offered")
def token_without_a_stage(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session:
        body = exchange.body
        body["links"].pop("stage", None)
        exchange.say(body)


@variant("file_links_cannot_be_guessed", "file_link_gives_the_file", "file_link_deletes")
def file_links_are_guessable(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session:
        body = exchange.body
        for name, entry in body["files"].items():
            entry["link"] = f"http://index.example/upload/2.0/files/{name}"
        exchange.say(body)


@variant("status_is_the_creation_again")
def status_without_mechanisms(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "GET session" and exchange.is_session:
        body = exchange.body
        body["mechanisms"] = ["http-post-bytes"]
        exchange.say(body)


# Who may


@variant("challenge_comes_with_401")
def no_challenge(exchange: Exchange, memory: dict[str, Any]) -> None:
    exchange.headers.pop("Www-Authenticate", None)


@variant("nobody_gets_401", "invalid_credentials_get_401", "bytes_need_credentials")
def unauthenticated_gets_403(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.status == 401:
        exchange.status = 403
        exchange.say(exchange.body | {"status": 403})


@variant(
    "stranger_gets_403",
    "stranger_sends_no_bytes",
    "strangers_do_not_learn_of_the_session",
    "registered_name_is_taken",
    "revoked_account_is_denied",
)
def stranger_gets_404(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.status == 403 and exchange.by_stranger:
        exchange.status = 404
        exchange.say(exchange.body | {"status": 404})


@variant("stranger_gets_403", "granted_account_joins", "revoked_account_is_denied")
def status_is_for_everyone(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "GET session" and exchange.status == 403 and exchange.by_stranger:
        exchange.take(exchange.as_owner())


@variant("stranger_gets_403", "stranger_changes_nothing")
def anyone_cancels_files(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "DELETE file" and exchange.status == 403:
        exchange.take(exchange.as_owner())


@variant("revoked_account_is_denied")
def whoever_created_a_session_keeps_it(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST root" and exchange.status == 201 and exchange.by_stranger:
        memory[exchange.headers["Location"]] = True
    if exchange.what == "GET session" and exchange.status == 403:
        again = exchange.as_owner()
        if again.headers.get("Location") in memory:
            exchange.take(again)


@variant("bytes_need_credentials")
def bytes_without_credentials(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST bytes" and exchange.status == 401:
        exchange.take(exchange.as_owner())


@variant("stage_only_credentials_do_not_publish")
def who_may_stage_may_publish(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST publish" and exchange.status == 403 and not exchange.by_stranger:
        exchange.take(exchange.as_owner())


# Errors


@variant(
    "errors_are_problem_details",
    "errors_have_their_media_type",
    "errors_say_what_is_wrong",
    "errors_have_meta_and_errors",
    "rejection_names_the_files",
)
def errors_in_plain_text(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_error:
        exchange.headers["Content-Type"] = "text/plain"
        exchange.content = b"No.\n"


@variant("errors_have_their_media_type")
def errors_in_plain_json(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_error:
        exchange.headers["Content-Type"] = "application/json"


@variant("errors_have_meta_and_errors")
def errors_without_extensions(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_error:
        body = exchange.body
        exchange.say({key: body[key] for key in body if key not in ("meta", "errors")})


@variant("errors_are_problem_details")
def problems_of_another_status(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_error and exchange.body:
        exchange.say(exchange.body | {"status": 400 if exchange.status != 400 else 418})


@variant("errors_say_what_is_wrong")
def problems_without_a_title(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_error:
        body = exchange.body
        exchange.say({key: body[key] for key in body if key != "title"})


# Files


@variant("announcement_answers_202")
def announcement_answers_201(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST announce" and exchange.status == 202:
        exchange.status = 201


@variant("announcement_has_a_retry_after")
def announcement_without_retry_after(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST announce":
        exchange.headers.pop("Retry-After", None)


@variant("upload_status_has_a_retry_after")
def upload_status_without_retry_after(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "GET file":
        exchange.headers.pop("Retry-After", None)


@variant("mechanism_is_identified")
def another_mechanism_is_chosen(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_message and not exchange.is_session:
        body = exchange.body
        body["mechanism"]["identifier"] = "vnd-greenroom-resumable-v1"
        exchange.say(body)


@variant("unknown_mechanism_answers_422")
def unknown_mechanism_answers_400(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.status == 422:
        exchange.status = 400
        exchange.say(exchange.body | {"status": 400})


@variant("filename_is_checked_at_once")
def bad_filename_answers_422(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST announce" and exchange.code == "invalid-distribution":
        exchange.status = 422
        exchange.say(exchange.body | {"status": 422})


@variant("file_under_way_is_not_replaced")
def file_under_way_is_replaced(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST announce":
        which = f"{exchange.session_path} {exchange.message.get('filename')}"
        if exchange.status == 202:
            memory[which] = exchange.body
        elif exchange.code == "upload-conflict":
            exchange.say(memory[which], 202)


@variant("published_filename_is_a_conflict")
def published_file_is_announced(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST announce" and exchange.status == 202:
        memory["last"] = exchange.body
    elif exchange.what == "POST announce" and exchange.code == "file-exists":
        exchange.say(memory["last"], 202)


@variant("secure_digest_is_required")
def weak_digests_are_taken(exchange: Exchange, memory: dict[str, Any]) -> None:
    hashes = exchange.message.get("hashes") if exchange.what == "POST announce" else None
    if exchange.status == 202:
        memory["last"] = exchange.body
    elif hashes and "sha256" not in hashes:
        exchange.say(memory["last"], 202)


@variant("every_digest_is_checked", before=True)
def one_digest_is_checked(exchange: Exchange, memory: dict[str, Any]) -> None:
    message = exchange.message
    if exchange.what == "POST announce" and message.get("hashes", {}).get("sha256"):
        message["hashes"] = {"sha256": message["hashes"]["sha256"]}
        exchange.sent = json.dumps(message).encode()


@variant("size_is_checked")
def size_is_ignored(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST bytes" and exchange.code in ("invalid-request", "too-large"):
        memory[exchange.path.removesuffix("bytes")] = True
        exchange.status, exchange.headers, exchange.content = 204, {}, b""
    path = exchange.path.removesuffix("complete")
    if path in memory:
        file = exchange.as_owner("GET", path)
        exchange.say(file.body | {"status": "completed"}, 201 if path != exchange.path else 200)


@variant(
    "good_file_is_completed",
    "files_mirror_their_uploads",
    "other_digests_are_taken",
    blocks=[
        *UNPUBLISHED,
        *UNDECIDED,
        "canceled_file_is_over",
        "canceled_is_canceled",
        "canceled_session_gives_nothing",
        "canceled_status_is_kept",
        "changed_stays_open",
        "deleted_file_is_canceled",
        "deleted_file_is_uploaded_anew",
        "deleted_file_keeps_its_status",
        "deleted_files_are_not_listed",
        "deletion_answers_204",
        "file_link_deletes",
        "files_are_canceled_with_their_session",
        "later_session_is_another",
        "reserved_project_is_not_public",
        "session_with_files_is_canceled",
        "stage_only_credentials_do_not_publish",
    ],
)
def completed_file_stays_pending(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "GET file" and exchange.body.get("status") == "completed":
        exchange.say(exchange.body | {"status": "pending"})


@variant("bad_file_is_in_error", "bad_file_is_not_repaired", "files_mirror_their_uploads")
def failed_file_stays_pending(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "GET file" and exchange.body.get("status") == "error":
        exchange.say(exchange.body | {"status": "pending"})


@variant("bad_file_is_not_repaired")
def failed_file_is_completed_again(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST complete" and exchange.code == "upload-conflict":
        file = exchange.as_owner("GET", exchange.path.removesuffix("complete"))
        if file.body.get("status") == "error":
            exchange.take(file, 201)


@variant("canceled_file_is_over")
def canceled_file_is_completed(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST complete" and exchange.code == "upload-conflict":
        file = exchange.as_owner("GET", exchange.path.removesuffix("complete"))
        if file.body.get("status") == "canceled":
            exchange.take(file, 201)


@variant("completion_answers_201_or_202")
def completion_answers_200(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST complete" and exchange.status == 201:
        exchange.status = 200


@variant("completion_has_a_location")
def completion_without_location(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST complete":
        exchange.headers.pop("Location", None)


@variant("failed_completion_is_told")
def failed_completion_looks_good(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST complete" and exchange.status == 400:
        exchange.take(exchange.as_owner("GET", exchange.path.removesuffix("complete")), 201)


@variant("deletion_answers_204")
def deletion_answers_200(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "DELETE file" and exchange.status == 204:
        exchange.status = 200


@variant("deleted_file_keeps_its_status")
def deleted_file_is_forgotten(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "GET file" and exchange.body.get("status") == "canceled":
        exchange.take(exchange.as_owner("GET", f"{exchange.path}nothing"))


@variant("deleted_file_is_uploaded_anew")
def upload_url_is_reused(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_message and not exchange.is_session:
        # So that this does not show as well.
        exchange.say(exchange.body | {"expires-at": "2099-01-01T00:00:00Z"})
    if exchange.what == "POST announce" and exchange.status == 202:
        body = exchange.body
        which = f"{exchange.session_path} {exchange.message['filename']}"
        url = memory.setdefault(which, body["links"]["file-upload-session"])
        body["links"]["file-upload-session"] = url
        exchange.say(body)


@variant("too_long_an_extension_of_a_file_is_a_success")
def too_long_an_extension_of_a_file_is_refused(exchange: Exchange, memory: dict[str, Any]) -> None:
    _refuse_long_extension(exchange, "POST extend file")


# Publishing, extending, canceling


@variant("too_long_an_extension_is_a_success")
def too_long_an_extension_is_refused(exchange: Exchange, memory: dict[str, Any]) -> None:
    _refuse_long_extension(exchange, "POST extend")


@variant("publication_answers_201_or_202", "empty_session_is_published")
def publication_answers_200(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST publish" and exchange.status == 201:
        exchange.status = 200


@variant("publication_has_a_location")
def publication_without_location(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST publish":
        exchange.headers.pop("Location", None)


@variant(
    "pending_file_blocks_publication",
    "failed_file_blocks_publication",
)
def unfinished_files_are_left_out(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST publish" and exchange.status == 409:
        exchange.take(exchange.as_owner("GET", exchange.session_path), 201)


@variant("rejection_names_the_files")
def rejection_without_names(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST publish" and exchange.status == 409:
        error = {"source": "publish", "message": "Some files are not completed."}
        exchange.say(exchange.body | {"detail": "No.", "details": "No.", "errors": [error]})


@variant("rejected_publication_changes_nothing")
def rejected_publication_is_an_error(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST publish" and exchange.status == 409:
        memory[exchange.session_path] = True
    if exchange.what == "GET session" and exchange.path in memory and exchange.is_session:
        exchange.say(exchange.body | {"status": "error"})


@variant(
    "empty_session_is_published",
    blocks=UNPUBLISHED,
)
def published_session_stays_open(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session and exchange.body["status"] == "published":
        exchange.say(exchange.body | {"status": "open"})


@variant("session_status_is_a_known_word", "created_is_open", "changed_stays_open",
         "rejected_publication_changes_nothing", "revoked_account_is_denied",
         "stage_only_credentials_do_not_publish")  # fmt: skip
def open_session_is_called_pending(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session and exchange.body["status"] == "open":
        exchange.say(exchange.body | {"status": "pending"})


@variant("published_takes_no_changes")
def published_session_is_canceled(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "DELETE session" and exchange.status == 410:
        exchange.status, exchange.content = 204, b""
        exchange.headers = {}


@variant("published_files_are_public", "reserved_project_is_not_public")
def drafts_are_public(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "GET public" and exchange.status == 404:
        exchange.status = 200


@variant(
    "session_with_files_is_canceled",
    "canceled_is_canceled",
    "canceled_status_is_kept",
    "files_are_canceled_with_their_session",
    blocks=["canceled_session_gives_nothing", "later_session_is_another"],
    before=True,
)
def session_with_files_is_not_canceled(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "DELETE session" and exchange.authorization == exchange.index.owner:
        files = exchange.as_owner("GET").body.get("files", {})
        if any(entry["status"] == "pending" for entry in files.values()):
            # What it says to an announcement that it cannot take.
            exchange.take(exchange.as_owner("POST", f"{exchange.path}nothing"), 404)


@variant("canceled_status_is_kept")
def canceled_session_is_forgotten(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session and exchange.body["status"] == "canceled":
        exchange.take(exchange.as_owner("GET", f"{exchange.path}nothing"))


@variant("canceled_session_gives_nothing")
def canceled_session_is_extended(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST extend" and exchange.status == 410:
        exchange.take(exchange.as_owner("GET", exchange.session_path))


@variant("stage_lists_the_file", "stage_gives_the_file")
def stage_needs_credentials(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "GET stage" and not exchange.authorization:
        exchange.status, exchange.content = 401, b""


# Publication that is deferred


@variant("processing_is_not_canceled", reviewed=True)
def processing_session_is_canceled(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "DELETE session" and exchange.code == "being-reviewed":
        exchange.status, exchange.headers, exchange.content = 204, {}, b""


@variant("processing_reserves_filenames", reviewed=True)
def processing_session_takes_files(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST announce" and exchange.status == 202:
        memory["last"] = exchange.body
    elif exchange.what == "POST announce" and exchange.code == "being-reviewed":
        exchange.say(memory["last"], 202)


@variant("refusal_is_explained", reviewed=True)
def refusal_without_notices(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session and exchange.body["status"] == "error":
        exchange.say(exchange.body | {"notices": []})


@variant("changed_stays_in_error", reviewed=True)
def change_opens_a_session_in_error(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.what == "POST announce":
        memory[exchange.session_path] = True
    if exchange.what == "POST publish":
        memory.pop(exchange.session_path, None)
    if exchange.is_session and exchange.body["status"] == "error" and exchange.path in memory:
        exchange.say(exchange.body | {"status": "open"})


@variant("refused_is_in_error", "publication_is_retried", "changed_stays_in_error",
         reviewed=True)  # fmt: skip
def refused_session_is_open(exchange: Exchange, memory: dict[str, Any]) -> None:
    if exchange.is_session and exchange.body["status"] == "error":
        exchange.say(exchange.body | {"status": "open"})


def _refuse_long_extension(exchange: Exchange, what: str) -> None:
    if exchange.what == what and exchange.message.get("extend-for", 0) > 10**9:
        problem = {"type": "about:blank", "title": "Too long", "status": 400,
                   "meta": {"api-version": "2.0"},
                   "errors": [{"source": "extend-for", "message": "Too long."}]}  # fmt: skip
        exchange.say(problem, 400)
        exchange.headers["Content-Type"] = "application/problem+json"
