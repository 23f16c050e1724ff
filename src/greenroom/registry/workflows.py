"""The workflows of services elsewhere: what tells them apart, and which ID tokens are theirs.

Each service says in claims of its own which job a token is of. What has to agree here is what the
services' own documents say identifies a workflow file of a repository, as Warehouse checks it.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from greenroom.registry import audit
from greenroom.registry.errors import InvalidRequest
from greenroom.trusted_issuers import TrustedIssuer

Claims = Mapping[str, object]

LONGEST_VALUE = 200
_LONGEST_CLAIM = 1000
_OWNER = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+")
_NAMESPACE = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_WORKFLOW = re.compile(r"[A-Za-z0-9_.-]+\.ya?ml")
_CONFIG = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*\.ya?ml")
_ENVIRONMENT = re.compile(r"[ -~]+")
_NUMBER = re.compile(r"[0-9]{1,20}")


class Field(Struct, frozen=True):
    """What has to be known of a workflow to trust it.

    Attributes:
        name: its key in forms and in the database.
        label: what it is called.
        hint: what it looks like.
        form: what it has to match; None where it is any text of one line.
        required: whether it may be left empty.
    """

    name: str
    label: str
    hint: str
    form: re.Pattern[str] | None = None
    required: bool = True


OWNER_NUMBER = "owner_number"
"""The field that is kept apart: what a service calls an owner by, whatever they call themselves."""


class Service(ABC):
    """A service that runs workflows, as far as an issuer speaks for it."""

    def __init__(self, issuer: TrustedIssuer) -> None:
        """Take the issuer, as the operator has named it."""
        self.issuer = issuer

    @property
    @abstractmethod
    def title(self) -> str:
        """What people call the service."""

    @property
    @abstractmethod
    def fields(self) -> tuple[Field, ...]:
        """What has to be known of a workflow."""

    @abstractmethod
    def subject(self, conditions: Mapping[str, str]) -> str:
        """What the tokens of a workflow are found by."""

    @abstractmethod
    def subject_of(self, claims: Claims) -> str | None:
        """The same, as a token says it."""

    @abstractmethod
    def matches(self, conditions: Mapping[str, str], claims: Claims) -> bool:
        """Whether a token is of this workflow, its owner's number apart."""

    def owner_number_of(self, claims: Claims) -> str | None:
        """The number of the repository's owner that a token has, None where it has none."""
        return None

    @abstractmethod
    def described(self, conditions: Mapping[str, str]) -> str:
        """The workflow in some words."""

    def name_of(self, claims: Claims) -> str:
        """What logs call whoever shows such a token."""
        return audit.plain(f"{self.issuer.name}:{self.spelled_subject(claims)}")

    def spelled_subject(self, claims: Claims) -> str:
        """What a token says it is found by, as the service spells it."""
        return self.subject_of(claims) or ""

    @abstractmethod
    def run_of(self, claims: Claims) -> str:
        """Which run of which workflow a token is of, with its commit, in some words."""

    def checked(self, values: Mapping[str, str]) -> dict[str, str]:
        """What a form says of a workflow, cleaned; what is optional and empty is left out.

        Raises:
            InvalidRequest: something is missing, or looks like something else.
        """
        found, problems = {}, []
        for field in self.fields:
            value = values.get(field.name, "").strip()
            if not value:
                if field.required:
                    problems.append(f"{field.label} is missing: {field.hint}.")
                continue
            is_good = field.form is None or field.form.fullmatch(value)
            if len(value) > LONGEST_VALUE or not value.isprintable() or not is_good:
                problems.append(f"{field.label} is something else: {field.hint}.")
            found[field.name] = value
        if problems:
            raise InvalidRequest(problems[0], problems)
        return found


def text(claims: Claims, name: str) -> str | None:
    """A claim as text; None where it is none, or empty, or nothing that can be compared."""
    value = claims.get(name)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else None
    is_text = isinstance(value, str) and 0 < len(value) <= _LONGEST_CLAIM and value.isprintable()
    return str(value) if is_text else None


def _same(expected: str, claims: Claims, name: str) -> bool:
    """Whether a claim is this, in whichever letter case, which only ASCII has in one way."""
    value = text(claims, name)
    return value is not None and value.isascii() and value.lower() == expected.lower()


def _words(*parts: tuple[str, str | None]) -> str:
    said = (f"{label} {value}".strip() for label, value in parts if value)
    return audit.plain(", ".join(said), 1000)


_OWNER_NUMBER = Field(
    OWNER_NUMBER,
    "Number of the owner",
    "the number that the service has given to the owner; where it is empty, that of the first "
    "token counts from then on",
    _NUMBER,
    required=False,
)


_ENVIRONMENT_FIELD = Field(
    "environment",
    "Environment",
    "the name of the environment that the job runs in, where only that one may",
    _ENVIRONMENT,
    required=False,
)


class _OfRepository(Service):
    """A service whose workflows are files of repositories, which have owners."""

    path_claim: str
    """Which claim has the repository with its owner."""

    number_claim: str
    """Which claim has the number of the owner, who keeps it under another name. Nobody else gets
    it with the name."""

    def subject(self, conditions: Mapping[str, str]) -> str:
        """The repository."""
        return f"{conditions['owner']}/{conditions['repository']}".lower()

    def subject_of(self, claims: Claims) -> str | None:
        """The repository."""
        path = text(claims, self.path_claim)
        return path.lower() if path is not None else None

    def spelled_subject(self, claims: Claims) -> str:
        """The repository."""
        return text(claims, self.path_claim) or ""

    def owner_number_of(self, claims: Claims) -> str | None:
        """The number of the owner."""
        return text(claims, self.number_claim)

    def described(self, conditions: Mapping[str, str]) -> str:
        """Repository, file, environment."""
        where = f"{conditions['owner']}/{conditions['repository']}, {conditions['workflow']}"
        environment = conditions.get("environment")
        return f"{where}, environment {environment}" if environment else where


class _Actions(_OfRepository):
    """What GitHub's service and those have in common that took over its claims."""

    path_claim, number_claim = "repository", "repository_owner_id"
    folders: tuple[str, ...]

    def matches(self, conditions: Mapping[str, str], claims: Claims) -> bool:
        """Whether repository, workflow file and environment agree.

        The file is that of the workflow that was begun, and has to be of the very commit or branch
        that the run is of: one of another branch may be called alike.
        """
        repository = self.subject(conditions)
        if not _same(repository, claims, "repository"):
            return False
        place, _, ref = (text(claims, "workflow_ref") or "").partition("@")
        files = {f"{folder}/{conditions['workflow']}" for folder in self.folders}
        start, file = place[: len(repository) + 1], place[len(repository) + 1 :]
        if start.lower() != f"{repository}/" or file not in files:
            return False
        if ref not in {text(claims, "ref"), text(claims, "sha")} - {None}:
            return False
        environment = conditions.get("environment")
        return environment is None or _same(environment, claims, "environment")

    def run_of(self, claims: Claims) -> str:
        """File, branch or tag, commit, run."""
        place = (text(claims, "workflow_ref") or "").partition("@")[0]
        return _words(
            ("workflow", place.rpartition("/")[2]),
            ("", text(claims, "ref")),
            ("commit", text(claims, "sha")),
            ("run", text(claims, "run_id")),
            ("attempt", text(claims, "run_attempt")),
            ("environment", text(claims, "environment")),
        )


_OWNER_FIELD = Field("owner", "Owner", "the user or organization of the repository", _OWNER)
_REPOSITORY_FIELD = Field("repository", "Repository", "its name, without the owner", _REPOSITORY)


class GitHub(_Actions):
    """GitHub Actions, also of an enterprise's own server."""

    title = "GitHub"
    folders = (".github/workflows",)
    fields = (
        _OWNER_FIELD,
        _REPOSITORY_FIELD,
        Field(
            "workflow",
            "Workflow",
            "the name of the file in .github/workflows, such as release.yml",
            _WORKFLOW,
        ),
        _ENVIRONMENT_FIELD,
        _OWNER_NUMBER,
    )


class Forgejo(_Actions):
    """Forgejo's Actions, and Gitea's, which say the same; they have no environments."""

    title = "Forgejo"
    folders = (".forgejo/workflows", ".gitea/workflows", ".github/workflows")
    fields = (
        _OWNER_FIELD,
        _REPOSITORY_FIELD,
        Field(
            "workflow",
            "Workflow",
            "the name of the file in .forgejo/workflows, such as release.yml",
            _WORKFLOW,
        ),
        _OWNER_NUMBER,
    )


class GitLab(_OfRepository):
    """GitLab's pipelines, of its own service or of a server elsewhere."""

    title = "GitLab"
    path_claim, number_claim = "project_path", "namespace_id"
    fields = (
        Field("owner", "Namespace", "the group, with those around it, or the user", _NAMESPACE),
        Field("repository", "Project", "its name, as addresses have it", _REPOSITORY),
        Field(
            "workflow",
            "Pipeline file",
            "the path of the file in the repository, such as .gitlab-ci.yml",
            _CONFIG,
        ),
        _ENVIRONMENT_FIELD,
        _OWNER_NUMBER,
    )

    def matches(self, conditions: Mapping[str, str], claims: Claims) -> bool:
        """Whether project, pipeline file and environment agree; its letter case counts.

        The file is said as ``host/group/project//path/file.yml@ref``.
        """
        path = self.subject(conditions)
        if not _same(path, claims, "project_path"):
            return False
        uri = text(claims, "ci_config_ref_uri") or ""
        place, _, rest = uri.partition("//")
        file, _, ref = rest.partition("@")
        parts = urlsplit(self.issuer.url)
        if place.lower() != f"{parts.netloc}{parts.path.rstrip('/')}/{path}".lower():
            return False
        if file != conditions["workflow"]:
            return False
        if ref not in {text(claims, "ref_path"), text(claims, "sha")} - {None}:
            return False
        environment = conditions.get("environment")
        return environment is None or text(claims, "environment") == environment

    def run_of(self, claims: Claims) -> str:
        """File, branch or tag, commit, pipeline and job."""
        file = (text(claims, "ci_config_ref_uri") or "").partition("//")[2].partition("@")[0]
        return _words(
            ("pipeline file", file),
            ("", text(claims, "ref_path") or text(claims, "ref")),
            ("commit", text(claims, "sha")),
            ("pipeline", text(claims, "pipeline_id")),
            ("job", text(claims, "job_id")),
            ("environment", text(claims, "environment")),
        )


class Other(Service):
    """Any other service, by the claims that the operator has named."""

    @property
    def title(self) -> str:
        """As the operator calls it."""
        return self.issuer.name

    @property
    def fields(self) -> tuple[Field, ...]:
        """Each of the claims."""
        return tuple(
            Field(claim, claim, f"the claim {claim!r} of its tokens, to the letter")
            for claim in self.issuer.claims
        )

    def subject(self, conditions: Mapping[str, str]) -> str:
        """The first of the claims."""
        return conditions[self.issuer.claims[0]]

    def subject_of(self, claims: Claims) -> str | None:
        """The first of the claims."""
        return text(claims, self.issuer.claims[0])

    def matches(self, conditions: Mapping[str, str], claims: Claims) -> bool:
        """Whether each claim is this, to the letter; one that is not named any more counts too."""
        names = {*self.issuer.claims, *conditions}
        return all(name in conditions and text(claims, name) == conditions[name] for name in names)

    def described(self, conditions: Mapping[str, str]) -> str:
        """Each claim."""
        return ", ".join(f"{name} {value}" for name, value in conditions.items())

    def run_of(self, claims: Claims) -> str:
        """Each claim, and what others call a commit and a run, where they are there."""
        also = ("sub", "ref", "sha", "commit", "run_id", "build_number", "build_commit", "job_id")
        names = [name for name in also if name not in self.issuer.claims]
        return _words(*((name, text(claims, name)) for name in (*self.issuer.claims, *names)))


_SERVICES: Mapping[str, type[Service]] = {
    "github": GitHub,
    "gitlab": GitLab,
    "forgejo": Forgejo,
    "other": Other,
}


def service_of(issuer: TrustedIssuer) -> Service:
    """The service that an issuer speaks for."""
    return _SERVICES[issuer.service](issuer)
