"""Where everything is: the one place that writes addresses of this application."""

import re
from typing import Protocol
from urllib.parse import quote, unquote, urlencode

STAGED = "?staged=true"
"""What makes the address of uploads that of staged ones."""

_LITERAL = "!+"
"""Of versions and file names. Proxies that quote again what is quoted would break them."""

_PARTS = {
    "": "pages",
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

    def draft_file(self, draft: HasSlug, filename: str) -> str:
        """A file of the draft, staged or on its way, for those who hold the draft's address."""
        return f"{self.draft(draft)}files/{_quoted(filename)}"

    def upload_api(self) -> str:
        """The root of Upload 2.0 (PEP 694)."""
        return self._path("upload", "2.0")

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

    def first_administrator(self, key: str) -> str:
        """Where whoever has the key makes the first administrator."""
        return _with_query(self.account("first-administrator"), {"key": key})

    def account(self, act: str = "") -> str:
        """Your account, or an act on it."""
        return self._path("account") + act

    def tokens(self, act: str = "") -> str:
        """Your API tokens, or an act on them."""
        return self._path("account", "tokens") + act

    def admin(self, act: str = "") -> str:
        """What administrators see, or an act there."""
        return self._path("admin") + act

    def managed_projects(self) -> str:
        """Your projects."""
        return self._path("manage")

    def managed_project(self, project: HasName, act: str = "", **query: str) -> str:
        """The project's manage page, or an act on the project."""
        return _with_query(self._path("manage", "project", project.name) + act, query)

    def managed_history(self, project: HasName) -> str:
        """What the journal says of the project."""
        return self._path("manage", "project", project.name, "history")

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


def draft_file_path(filename: str) -> str:
    """The path of a draft's file, relative to the project's page of the draft's simple index."""
    return f"../../files/{_quoted(filename)}"


def _quoted(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else quote(name, safe=_LITERAL)


def _with_query(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path
