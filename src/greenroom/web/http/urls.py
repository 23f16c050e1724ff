"""Where everything is: the one place that writes addresses of this application."""

import re
from typing import Protocol
from urllib.parse import quote, unquote, urlencode, urlsplit

STAGED = "?staged=true"
"""What makes the address of uploads that of staged ones."""

_LITERAL = "!+"
"""Of versions and file names. Proxies that quote again what is quoted would break them."""

_PARTS = {
    "": "pages",
    ".well-known": "uploads",
    "_": "uploads",
    "_health": "operators",
    "_metrics": "operators",
    "_ready": "operators",
    "account": "pages",
    "admin": "pages",
    "api": "uploads",
    "draft": "drafts",
    "help": "pages",
    "legacy": "uploads",
    "manage": "pages",
    "p": "pages",
    "packages": "files",
    "project": "pages",
    "pypi": "json",
    "robots.txt": "feeds",
    "rss": "feeds",
    "search": "pages",
    "simple": "simple",
    "sitemap.xml": "feeds",
    "static": "static",
    "upload": "uploads",
    "upstream": "files",
    "user": "pages",
}
"""Which part of the index the first segment of a path asks, for those who count requests."""

ELSEWHERE = "elsewhere"
"""What asks none of the parts."""

PARTS = frozenset({*_PARTS.values(), ELSEWHERE})

_PLAIN = re.compile(r"[A-Za-z0-9_.~!+-]*", re.ASCII)
"""What stays as it is when it is quoted, as nearly every name of a file does."""

_PUBLISHED_FILE = re.compile(
    r"/packages/([0-9a-f]{2})/([0-9a-f]{2})/([0-9a-f]{60})/([^/?#]{1,255})(?:[?#]|$)"
)


class HasName(Protocol):
    """A project, by the name that it spells itself."""

    @property
    def name(self) -> str:
        """As the project spells itself."""


class HasNormalizedName(Protocol):
    """A project, by the name that is the same for all spellings."""

    @property
    def normalized_name(self) -> str:
        """Normalized."""


class HasVersion(Protocol):
    """A release, by its version."""

    @property
    def version(self) -> str:
        """As the release spells it."""


class HasRelease(HasVersion, Protocol):
    """A release or a draft, by project and version."""

    @property
    def project_name(self) -> str:
        """As the project spells itself."""


class HasSlug(Protocol):
    """A draft, by the secret of its address."""

    @property
    def slug(self) -> str:
        """The secret."""


class HasKey(Protocol):
    """A session of Upload 2.0."""

    @property
    def key(self) -> str:
        """What its address has."""


class HasKindAndKey(Protocol):
    """A one-time link."""

    @property
    def kind(self) -> str:
        """What it is good for."""

    @property
    def key(self) -> str:
        """The secret that it carries."""


class HasUsername(Protocol):
    """A user."""

    @property
    def username(self) -> str:
        """As the user spells it."""


class HasContent(Protocol):
    """A file whose content is known."""

    @property
    def filename(self) -> str:
        """Its name."""

    @property
    def sha256(self) -> str:
        """The SHA-256 digest of its content, hexadecimal."""


class HasUrl(Protocol):
    """A file of another index."""

    @property
    def filename(self) -> str:
        """Its name."""

    @property
    def url(self) -> str:
        """Where it is there."""


class Urls:
    """Every address of the application, below one base.

    Pages link by paths from the root of the site (``request.paths``, in templates ``to``); programs
    and people elsewhere are told whole URLs (``request.urls``). What is linked to may be a row or a
    value that was made of one.
    """

    def __init__(self, base: str) -> None:
        """Take ``base``, quoted and without a slash at the end: empty, a path or a URL."""
        self._base = base

    def home(self) -> str:
        """The first page."""
        return self._path()

    def search(self, query: str = "") -> str:
        """Where projects are found, or what is found by this query."""
        return _with_query(self._path("search"), {"q": query} if query else {})

    def help(self, name: str = "") -> str:
        """The pages of help, or the one of this name."""
        return self._path("help", *filter(None, [name]))

    def project(self, project: HasName) -> str:
        """The project's public page."""
        return self.project_named(project.name)

    def project_named(self, name: str) -> str:
        """The public page of the project that spells itself like this."""
        return self._path("project", name)

    def feed(self, name: str) -> str:
        """A feed of the whole index: ``updates`` or ``packages``."""
        return f"{self._path('rss')}{name}.xml"

    def project_feed(self, project: HasNormalizedName) -> str:
        """The feed of the project's releases."""
        return f"{self._path('rss', 'project', project.normalized_name)}releases.xml"

    def release(self, project: HasName, release: HasVersion) -> str:
        """The release's public page, where those who may see its draft find that."""
        return self.release_named(project.name, release.version)

    def release_named(self, name: str, version: str) -> str:
        """The public page of a release of the project that spells itself like this."""
        return self._path("project", name, version)

    def release_of(self, release: HasRelease) -> str:
        """The public page of the release, or of the one that a draft is of."""
        return self.release_named(release.project_name, release.version)

    def approval(self, project: HasNormalizedName, release: HasVersion) -> str:
        """Who has approved of a release before it was published, for programs."""
        names = ("api", "releases", project.normalized_name, release.version, "approval")
        return self._path(*names).removesuffix("/")

    def user(self, user: HasUsername) -> str:
        """The profile of a user."""
        return self._path("user", user.username)

    def published_file(self, file: HasContent) -> str:
        """The bytes of a published file."""
        return f"{self._base}/{published_file_path(file.sha256, file.filename)}"

    def sitemap(self, part: int | None = None) -> str:
        """The list of the sitemap's parts, or one of them."""
        return f"{self._base}/sitemap.xml" + (f"?page={part}" if part is not None else "")

    def simple_index(self) -> str:
        """The simple index, which installers take."""
        return self._path("simple")

    def legacy_upload(self, *, staged: bool) -> str:
        """Where upload clients send files: into a draft, or to be published at once."""
        return self._path("legacy") + (STAGED if staged else "")

    def draft(self, draft: HasSlug) -> str:
        """The draft's page, for those who hold the address."""
        return self._path("draft", draft.slug)

    def draft_index(self, draft: HasSlug) -> str:
        """The draft's simple index, which installers take."""
        return self._path("draft", draft.slug, "simple")

    def full_draft_index(self, draft: HasSlug) -> str:
        """The simple index of everything that is public, with the draft in it."""
        return self._path("draft", draft.slug, "full", "simple")

    def draft_file(self, draft: HasSlug, filename: str) -> str:
        """A file of the draft, staged or on its way, for those who hold the draft's address."""
        return f"{self.draft(draft)}files/{_quoted(filename)}"

    def contents(self, release: HasRelease, filename: str, /, **query: str) -> str:
        """What is in a published file: the archive, or what the query says of it."""
        path = self._path("project", release.project_name, release.version, "contents", filename)
        return _with_query(path, query)

    def draft_contents(self, draft: HasSlug, filename: str, /, **query: str) -> str:
        """What is in a staged file, for those who hold the draft's address."""
        return _with_query(self._path("draft", draft.slug, "contents", filename), query)

    def managed_contents(self, draft: HasRelease, filename: str, /, **query: str) -> str:
        """What is in a staged file, for those who may work on the project."""
        base = self.managed_draft_named(draft.project_name, draft.version)
        return _with_query(f"{base}contents/{_quoted(filename)}/", query)

    def api(self) -> str:
        """Where drafts are found by project and version."""
        return self._path("api", "")

    def api_review(self, draft: HasRelease) -> str:
        """The review of a draft, for programs."""
        return self._path("api", "drafts", draft.project_name, draft.version) + "review"

    def api_set_review(self, release_set: HasKey) -> str:
        """The review of a release set, for programs."""
        return self._path("api", "sets", release_set.key) + "review"

    def upload_api(self) -> str:
        """The root of Upload 2.0 (PEP 694)."""
        return self._path("upload", "2.0")

    def oidc(self, act: str) -> str:
        """Where workflows get tokens: ``audience``, ``mint-token`` or ``burn-token``."""
        return f"{self._base}/_/oidc/{act}"

    def publishing_session(self, draft: HasKey, act: str = "") -> str:
        """The draft as a publishing session of Upload 2.0, or an act on it; takes credentials."""
        return self._path("upload", "2.0", "session", draft.key) + act

    def file_upload_session(self, draft: HasKey, upload: HasKey, act: str = "") -> str:
        """A file's upload session of Upload 2.0, or an act on it; it takes credentials."""
        return self.publishing_session(draft) + f"file/{upload.key}/{act}"

    def refusal(self, code: str) -> str:
        """What the pages of help say of a refusal of this code."""
        return f"{self.help('errors')}#{code}"

    def static(self, name: str, mark: str) -> str:
        """A static file; ``mark`` is another when its content is."""
        return _with_query(f"{self._base}/static/{name}", {"v": mark})

    def one_time_link(self, link: HasKindAndKey) -> str:
        """Where whoever has the key does what a link of this kind is good for."""
        return _with_query(self.account(link.kind), {"key": link.key})

    def account(self, act: str = "") -> str:
        """Your account, or an act on it."""
        return self._path("account") + act

    def tokens(self, act: str = "") -> str:
        """Your API tokens, or an act on them."""
        return self._path("account", "tokens") + act

    def sessions(self, act: str = "") -> str:
        """Where you are signed in, or an act on that."""
        return self._path("account", "sessions") + act

    def confirm(self, next_path: str | None = None, *, fresh: bool = False) -> str:
        """Where to show again who you are, and where to go then.

        ``fresh`` is whether it takes a second factor that was shown just now.
        """
        query = {"next": next_path} if next_path else {}
        return _with_query(self.account("confirm"), query | ({"fresh": "1"} if fresh else {}))

    def single_sign_on(self, what_for: str, next_path: str | None = None) -> str:
        """Where one signs in with the identity provider, or confirms who one is, and goes then."""
        query = {"for": what_for, **({"next": next_path} if next_path else {})}
        return _with_query(self.account("single-sign-on"), query)

    def second_factors(self, act: str = "", **query: str) -> str:
        """Your second factors, or an act on them."""
        return _with_query(self._path("account", "second-factors") + act, query)

    def second_step(self, next_path: str | None = None) -> str:
        """Where to show a second factor after the password, and where to go then."""
        return _with_query(self.account("second-step"), {"next": next_path} if next_path else {})

    def passkey_sign_in(self, next_path: str | None = None) -> str:
        """Where a passkey alone signs in, and where to go then."""
        return _with_query(self.account("passkey"), {"next": next_path} if next_path else {})

    def here(self, path_info: str) -> str:
        """What was asked for, by its path as WSGI has it."""
        return self._base + quote(path_info, encoding="latin-1")

    def invitations(self, act: str = "") -> str:
        """What you are invited to, or an act on it."""
        return self._path("account", "invitations") + act

    def teams(self) -> str:
        """Your teams."""
        return self._path("account", "teams")

    def team(self, team: HasName, act: str = "", **query: str) -> str:
        """The page of a team, or an act on it."""
        return self.team_named(team.name, act, **query)

    def team_named(self, name: str, act: str = "", **query: str) -> str:
        """The page of the team that spells itself like this, or an act on it."""
        return _with_query(self._path("account", "teams", name) + act, query)

    def pending_publishers(self, act: str = "", number: int | None = None) -> str:
        """The workflows that may register names for you, or an act on them, or on one of them."""
        path = self._path("account", "publishers") + act
        return _with_query(path, {"publisher": str(number)} if number is not None else {})

    def notifications(self) -> str:
        """What you are told of by mail."""
        return self._path("account", "notifications")

    def admin(self, act: str = "") -> str:
        """What administrators see, or an act there."""
        return self._path("admin") + act

    def admin_invitations(self) -> str:
        """Where administrators invite people."""
        return self._path("admin", "invitations")

    def admin_part(self, part: str, act: str = "", /, **query: str) -> str:
        """A page of administrators: ``jobs``, or an act there."""
        return _with_query(self._path("admin", part) + act, query)

    def admin_item(self, part: str, item: str, act: str = "", /, **query: str) -> str:
        """One of what such a page lists, or an act on it."""
        return _with_query(self._path("admin", part, item) + act, query)

    def admin_upstream(self, part: str, number: int | None = None, act: str = "") -> str:
        """A page of administrators on upstreams: ``rules``, or an act on one of what it lists."""
        below = (str(number),) if number is not None else ()
        return self._path("admin", "upstream", part, *below) + act

    def report_project(self, project: HasName) -> str:
        """Where a project is reported to the administrators."""
        return self.project(project) + "report"

    def admin_users(self, **query: str) -> str:
        """The accounts, for administrators: all of them, or those that the query chooses."""
        return _with_query(self._path("admin", "users"), query)

    def admin_user(self, user: HasUsername, act: str = "", **query: str) -> str:
        """An account, for administrators, or an act on it."""
        return _with_query(self._path("admin", "users", user.username) + act, query)

    def managed_projects(self) -> str:
        """Your projects."""
        return self._path("manage")

    def managed_project(self, project: HasName, act: str = "", **query: str) -> str:
        """The project's manage page, or an act on the project."""
        return self.managed_project_named(project.name, act, **query)

    def managed_project_named(self, name: str, act: str = "", **query: str) -> str:
        """The manage page of the project that spells itself like this, or an act on it."""
        return _with_query(self._path("manage", "project", name) + act, query)

    def managed_history(self, project: HasName) -> str:
        """What the journal says of the project."""
        return self._path("manage", "project", project.name, "history")

    def publishers(self, project: HasName, act: str = "", number: int | None = None) -> str:
        """The workflows that the project trusts, or an act on them, or on the one of a number."""
        path = self._path("manage", "project", project.name, "publishers") + act
        return _with_query(path, {"publisher": str(number)} if number is not None else {})

    def webhooks(self, project_name: str, number: int | None = None, act: str = "") -> str:
        """The webhooks of a project, or the one of a number, or an act on it."""
        names = [] if number is None else [str(number)]
        return self._path("manage", "project", project_name, "webhooks", *names) + act

    def webhooks_of_set(self, release_set: HasKey, number: int | None = None, act: str = "") -> str:
        """The webhooks of a release set, or the one of a number, or an act on it."""
        names = [] if number is None else [str(number)]
        return self._path("manage", "sets", release_set.key, "webhooks", *names) + act

    def managed_release(
        self, project: HasName, release: HasVersion, act: str = "", **query: str
    ) -> str:
        """The manage page of a published release, or an act on it or on one of its files."""
        path = self._path("manage", "project", project.name, "release", release.version)
        return _with_query(path + act, query)

    def managed_draft(self, draft: HasRelease, act: str = "", **query: str) -> str:
        """The draft's manage page, or an act on the draft."""
        path = self.managed_draft_named(draft.project_name, draft.version)
        return _with_query(path + act, query)

    def managed_draft_named(self, project_name: str, version: str) -> str:
        """The manage page of the newest draft of this version."""
        return self._path("manage", "project", project_name, "draft", version)

    def managed_sets(self, act: str = "") -> str:
        """Your release sets, or an act there."""
        return self._path("manage", "sets") + act

    def managed_set(self, release_set: HasKey, act: str = "", **query: str) -> str:
        """The manage page of a release set, or an act on it."""
        return _with_query(self._path("manage", "sets", release_set.key) + act, query)

    def set_session(self, release_set: HasKey, act: str = "") -> str:
        """A release set in Upload 2.0, or an act on it; it takes credentials."""
        return self._path("upload", "2.0", "set", release_set.key) + act

    def sign_in(self, next_path: str | None = None) -> str:
        """Where to sign in, and where to go then."""
        return _with_query(self.account("login"), {"next": next_path} if next_path else {})

    def _path(self, *names: str) -> str:
        return "".join([self._base, "/", *(f"{_quoted(name)}/" for name in names)])


def part_of(target: str) -> str:
    """Which part of the index a request asks: one of ``PARTS``, by the first segment of its path.

    Args:
        target: as it was sent, without a path that a proxy has taken off.
    """
    first = target.partition("?")[0].lstrip("/").partition("/")[0]
    return _PARTS.get(unquote(first), ELSEWHERE) if target else ELSEWHERE


def published_file_path(sha256: str, filename: str) -> str:
    """The path of a published file, relative to the root of the index, quoted, without a leading /.

    It is the digest of the content that makes it immutable: another content has another address.
    """
    return f"packages/{sha256[:2]}/{sha256[2:4]}/{sha256[4:]}/{_quoted(filename)}"


def published_file_at(target: str) -> tuple[str, str] | None:
    """Digest and name of the file at an address, a path or more; None where it is no such file's.

    Whether there is one nobody has looked.
    """
    if "/packages/" not in target:  # which most requests are told apart by
        return None
    found = _PUBLISHED_FILE.search(target)
    if found is None or found[4].endswith(".metadata"):
        return None
    return found[1] + found[2] + found[3], unquote(found[4])


def upstream_file_path(upstream: str, project: str, file: HasUrl) -> str:
    """The path of a file of an index behind this one, relative to the root, without a leading /.

    It has the host and the path that the file has there. A query stands quoted before the name of
    the file, quoted once more as no server in front takes it for part of the address then.
    """
    parts = urlsplit(file.url)
    names = [unquote(part) for part in parts.path.split("/")]
    if names[-1] == file.filename:
        names.pop()
    if parts.query:
        names.append(quote(f"?{parts.query}", safe=""))
    host = parts.netloc.rpartition("@")[2].lower()
    kept = [name for name in names if name not in ("", ".", "..")]
    path = "/".join(_quoted(name) for name in [*kept, file.filename])
    return f"upstream/{_quoted(upstream)}/{_quoted(project)}/{quote(host, safe=':')}/{path}"


def draft_file_path(filename: str) -> str:
    """The path of a draft's file, relative to the project's page of the draft's simple index."""
    return f"../../files/{_quoted(filename)}"


def full_index_file_path(file: HasContent, *, staged: bool) -> str:
    """The path of a file, relative to a project's page of the simple index with a draft in it."""
    if staged:
        return f"../../../files/{_quoted(file.filename)}"
    return f"../../../../../{published_file_path(file.sha256, file.filename)}"


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else quote(name, safe=_LITERAL)


def _with_query(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
