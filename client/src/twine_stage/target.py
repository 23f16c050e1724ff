"""Which index a command speaks to, and as whom: what twine's own settings say."""

import argparse
import os
import threading
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from twine.repository import Repository
from twine.settings import Settings
from twine.utils import DEFAULT_REPOSITORY as PUBLIC_REPOSITORY
from twine.utils import TEST_REPOSITORY

from twine_stage.connection import Connection, check_origin
from twine_stage.errors import Failure

UPLOAD_ROOT_VARIABLE = "TWINE_UPLOAD_ROOT"
DEFAULT_REPOSITORY = "pypi"

_LEGACY = "/legacy"
_UPLOAD_2 = "/upload/2.0"

# Options of ``twine upload`` that say something of a single file, or of one index only.
_MEANINGLESS = {
    "attestations": "--attestations",
    "sign": "--sign",
    "identity": "--identity",
    "comment": "--comment",
    "skip_existing": "--skip-existing",
}


@dataclass(frozen=True, slots=True)
class Target:
    """An index: where releases are uploaded to, in the old way and the new.

    Attributes:
        name: its section in ``.pypirc``, if it was named by that.
        repository: the URL of the repository, without credentials.
        root: the root of Upload 2.0, as far as that is known.
    """

    settings: Settings
    name: str | None
    repository: str
    root: str | None

    @property
    def home(self) -> str:
        """An address whose origin may be sent the credentials."""
        return self.root or self.repository

    @property
    def base(self) -> str:
        """Where the index itself begins, with a slash at the end."""
        return base_of(self.root or "") or base_of(self.repository) or f"{self.repository}/"

    @property
    def simple(self) -> str:
        """Where its simple index should be."""
        return f"{self.base}simple/"

    def open_repository(self) -> Repository:
        """Twine's repository; it may ask for credentials."""
        return self.settings.create_repository()

    def connect(self, stop: threading.Event) -> Connection:
        """A connection with the credentials that twine finds."""
        return Connection(self.open_repository().session, self.home, stop)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Twine's options, and where Upload 2.0 is found."""
    Settings.register_argparse_arguments(parser)
    for action in parser._actions:
        if action.dest in _MEANINGLESS or action.dest == "sign_with":
            action.help = argparse.SUPPRESS
    parser.add_argument(
        "--upload-root",
        metavar="URL",
        default=os.environ.get(UPLOAD_ROOT_VARIABLE) or None,
        help="The root of the index's Upload 2.0 API. By default the repository URL with "
        "/legacy/ replaced by /upload/2.0/. (Can also be set via "
        f"{UPLOAD_ROOT_VARIABLE} environment variable.)",
    )


def target(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Target:
    """The index that the options name.

    Raises:
        twine.exceptions.TwineException: the configuration is not usable.
        Failure: the address of the API is not.
    """
    for meaningless, option in _MEANINGLESS.items():
        if getattr(options, meaningless):
            parser.error(f"{option} means nothing for a staged release")
    name = None if options.repository_url else options.repository
    root: str | None = options.upload_root
    settings = Settings.from_argparse(argparse.Namespace(**vars(options)))
    settings.check_repository_url()
    repository = str(settings.repository_config["repository"])
    _check_private(repository, root)
    if root is None:
        root = upload_root(repository)
    elif urlsplit(root).scheme not in ("http", "https") or urlsplit(root).username:
        raise Failure("The upload root has to be an http or https URL without credentials.")
    elif not root.endswith("/"):
        root += "/"
    return Target(settings, name, repository, root)


def _check_private(repository: str, root: str | None) -> None:
    """Nothing, if somebody chose the index, and it is none of the public ones that twine knows.

    Those are what twine takes where nobody says anything. They stage nothing, and the token is
    for another index.

    Raises:
        Failure: it is one of them.
    """
    public = {urlsplit(url).hostname for url in (PUBLIC_REPOSITORY, TEST_REPOSITORY)}
    if {urlsplit(repository).hostname, urlsplit(root or "").hostname} & public:
        raise Failure(
            "No index that stages releases is named: say which with --repository-url, such as "
            "https://index.example/legacy/, or with --repository and a section of .pypirc. "
            "Nothing was sent."
        )


def upload_root(repository: str) -> str | None:
    """The root of Upload 2.0 of a repository, as far as its URL tells."""
    base = base_of(repository)
    return f"{base.rstrip('/')}{_UPLOAD_2}/" if base is not None else None


def base_of(url: str) -> str | None:
    """What is before ``/legacy/`` or ``/upload/2.0/`` in an address, with a slash at the end."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    for ending in (_LEGACY, _UPLOAD_2):
        if path.endswith(ending):
            return urlunsplit((parts.scheme, parts.netloc, f"{path.removesuffix(ending)}/", "", ""))
    return None


def staged_url(repository: str, value: str = "true", *, release_set: str | None = None) -> str:
    """The address for staged uploads of the legacy API, and into a release set."""
    parts = urlsplit(repository)
    into = [("set", release_set)] if release_set is not None else []
    query = [
        (name, text)
        for name, text in parse_qsl(parts.query, keep_blank_values=True)
        if name not in ("staged", "draft", "set")
    ]
    return urlunsplit(parts._replace(query=urlencode([*query, ("staged", value), *into])))


def check_same_index(target: Target, url: str) -> None:
    """Nothing, if the address is of this index.

    Raises:
        Failure: it is not, so that the credentials are not for it.
    """
    check_origin(url, target.home)
