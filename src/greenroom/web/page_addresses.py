"""Where pages are: the paths that templates link to, and redirects to them."""

from urllib.parse import quote, urlencode

from pyramid.config import Configurator
from pyramid.events import BeforeRender
from pyramid.httpexceptions import HTTPSeeOther

from greenroom.models import Draft, File, Project, Release, User
from greenroom.registry.permissions import Actor
from greenroom.web.file_addresses import published_file_path
from greenroom.web.request import SAFE_METHODS, Request


class PageAddresses:
    """Paths of pages, from the root of the site. Templates have one that is called ``to``."""

    def __init__(self, request: Request) -> None:
        self._root: str = request.script_name

    def home(self) -> str:
        """The first page."""
        return self._path()

    def search(self) -> str:
        """Where projects are found."""
        return self._path("search")

    def help(self, name: str = "") -> str:
        """The pages of help, or the one of this name."""
        return self._path("help", *filter(None, [name]))

    def project(self, project: Project) -> str:
        """The project's public page."""
        return self.project_named(project.name)

    def project_named(self, name: str) -> str:
        """The public page of the project that spells itself like this."""
        return self._path("project", name)

    def feed(self, name: str) -> str:
        """A feed of the whole index: ``updates`` or ``packages``."""
        return f"{self._path('rss')}{name}.xml"

    def project_feed(self, project: Project) -> str:
        """The feed of the project's releases."""
        return f"{self._path('rss', 'project', project.normalized_name)}releases.xml"

    def release(self, project: Project, release: Release) -> str:
        """The release's public page, where those who may see its draft find that."""
        return self._path("project", project.name, release.version)

    def release_of(self, draft: Draft) -> str:
        """The page of the release that the draft is of."""
        return self._path("project", draft.project_name, draft.version)

    def user(self, user: User) -> str:
        """The profile of a user."""
        return self._path("user", user.username)

    def published_file(self, file: File) -> str:
        """The bytes of a published file."""
        return f"{self._root}/{published_file_path(file.sha256, file.filename)}"

    def draft(self, draft: Draft) -> str:
        """The draft's page, for those who hold the address."""
        return self._path("draft", draft.slug)

    def staged_file(self, draft: Draft, file: File) -> str:
        """The bytes of a staged file, for those who hold the draft's address."""
        return f"{self.draft(draft)}files/{quote(file.filename)}"

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

    def managed_project(self, project: Project, act: str = "", **query: str) -> str:
        """The project's manage page, or an act on the project."""
        return _with_query(self._path("manage", "project", project.name) + act, query)

    def managed_history(self, project: Project) -> str:
        """What the journal says of the project."""
        return self._path("manage", "project", project.name, "history")

    def managed_release(
        self, project: Project, release: Release, act: str = "", **query: str
    ) -> str:
        """The manage page of a published release, or an act on it or on one of its files."""
        path = self._path("manage", "project", project.name, "release", release.version)
        return _with_query(path + act, query)

    def managed_draft(self, draft: Draft, act: str = "", **query: str) -> str:
        """The draft's manage page, or an act on the draft."""
        path = self._path("manage", "project", draft.project_name, "draft", draft.version)
        return _with_query(path + act, query)

    def sign_in(self, next_path: str | None = None) -> str:
        """Where to sign in, and where to go then."""
        return _with_query(self.account("login"), {"next": next_path} if next_path else {})

    def _path(self, *names: str) -> str:
        return "".join([self._root, "/", *(f"{quote(name)}/" for name in names)])


def includeme(config: Configurator) -> None:
    """Give templates the addresses of pages."""
    config.add_subscriber(_add_addresses, BeforeRender)


def is_local(path: str) -> bool:
    """Whether a browser that is sent to this path stays on this site.

    Browsers drop control characters and take a backslash for a slash, so that neither may be in it.
    """
    return (
        path.startswith("/")
        and not path.startswith("//")
        and path.isascii()
        and path.isprintable()
        and "\\" not in path
    )


def see_other(request: Request, path: str, notice: str | None = None) -> HTTPSeeOther:
    """An answer that sends the browser to another page, which shows the notice once."""
    if notice is not None:
        request.session.flash(notice)
    return HTTPSeeOther(location=path, headers={"Cache-Control": "private, no-store"})


def user_or_sign_in(request: Request) -> User:
    """Who is signed in.

    Raises:
        HTTPSeeOther: nobody is; it leads to the page where one signs in, and back.
    """
    person: Actor = request.person
    if person.user is None:
        back = request.path_qs if request.method in SAFE_METHODS else None
        raise see_other(request, PageAddresses(request).sign_in(back))
    return person.user


def _with_query(path: str, query: dict[str, str]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def _add_addresses(event: BeforeRender) -> None:
    if event.get("request") is not None:
        event["to"] = PageAddresses(event["request"])
