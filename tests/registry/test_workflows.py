"""Which ID tokens are of which workflow: the claims of each service, as a table."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenroom.registry.errors import InvalidRequest
from greenroom.registry.workflows import service_of
from greenroom.trusted_issuers import parse
from tests.fuzzing import fuzzed

GITHUB = {
    "repository": "Ada/Example",
    "repository_owner": "Ada",
    "repository_owner_id": "65",
    "workflow_ref": "Ada/Example/.github/workflows/release.yml@refs/tags/v1.0",
    "job_workflow_ref": "elsewhere/shared/.github/workflows/publish.yml@refs/heads/main",
    "ref": "refs/tags/v1.0",
    "sha": "4" * 40,
    "run_id": "4711",
    "run_attempt": "2",
    "environment": "PyPI",
}
GITLAB = {
    "project_path": "tools/python/example",
    "namespace_id": "7",
    "ci_config_ref_uri": "git.example:8443/lab/tools/python/example"
    "//ci/release.yml@refs/heads/main",
    "ref_path": "refs/heads/main",
    "ref": "main",
    "sha": "4" * 40,
    "pipeline_id": "12",
    "job_id": "34",
    "environment": "release",
}
FORGEJO = {
    "repository": "ada/example",
    "repository_owner_id": "65",
    "workflow_ref": "ada/example/.forgejo/workflows/release.yml@refs/tags/v1.0",
    "ref": "refs/tags/v1.0",
    "sha": "4" * 40,
    "run_id": "4711",
}
OTHER = {"organization": "ada", "pipeline": 42, "protected": True, "sub": "a job", "commit": "4444"}
ENTRIES = {
    "github": "github",
    "gitlab": "gitlab=https://git.example:8443/lab",
    "forgejo": "forgejo=https://forge.example/api/actions",
    "other": "kite=https://kite.example organization pipeline protected",
}
TOKENS: Mapping[str, Mapping[str, object]] = {
    "github": GITHUB,
    "gitlab": GITLAB,
    "forgejo": FORGEJO,
    "other": OTHER,
}
TRUSTED = {
    "github": {
        "owner": "ada",
        "repository": "example",
        "workflow": "release.yml",
        "environment": "pypi",
    },
    "gitlab": {
        "owner": "Tools/python",
        "repository": "example",
        "workflow": "ci/release.yml",
        "environment": "release",
    },
    "forgejo": {"owner": "ada", "repository": "example", "workflow": "release.yml"},
    "other": {"organization": "ada", "pipeline": "42", "protected": "true"},
}


@pytest.mark.parametrize(
    ("name", "called", "run"),
    [
        (
            "github",
            "github:Ada/Example",
            f"workflow release.yml, refs/tags/v1.0, commit {'4' * 40}, run 4711, attempt 2, "
            "environment PyPI",
        ),
        (
            "gitlab",
            "gitlab:tools/python/example",
            f"pipeline file ci/release.yml, refs/heads/main, commit {'4' * 40}, pipeline 12, "
            "job 34, environment release",
        ),
        (
            "forgejo",
            "forgejo:ada/example",
            f"workflow release.yml, refs/tags/v1.0, commit {'4' * 40}, run 4711",
        ),
        (
            "other",
            "kite:ada",
            "organization ada, pipeline 42, protected true, sub a job, commit 4444",
        ),
    ],
)
def test_tokens_of_a_workflow(name: str, called: str, run: str) -> None:
    service, claims, trusted = service_of(parse(ENTRIES[name])), TOKENS[name], TRUSTED[name]
    assert service.matches(service.checked(trusted), claims)
    assert service.subject(trusted) == service.subject_of(claims)
    assert (service.name_of(claims), service.run_of(claims)) == (called, run)
    without = {key: value for key, value in trusted.items() if key != "environment"}
    assert service.matches(without, claims)
    for key in trusted:  # whatever else is trusted is something else
        assert not service.matches({**trusted, key: "x"}, claims), key


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("github", {"repository": "eve/example"}),
        ("github", {"repository": None}),
        ("github", {"repository": 7}),
        # A workflow of the same name elsewhere, or in another place of the repository.
        ("github", {"workflow_ref": "eve/x/.github/workflows/release.yml@refs/tags/v1.0"}),
        ("github", {"workflow_ref": "ada/example/workflows/release.yml@refs/tags/v1.0"}),
        ("github", {"workflow_ref": "ada/example/.forgejo/workflows/release.yml@refs/tags/v1.0"}),
        ("github", {"workflow_ref": "ada/example/.github/workflows/x/release.yml@refs/tags/v1.0"}),
        ("github", {"workflow_ref": "ada/example/.github/workflows/Release.yml@refs/tags/v1.0"}),
        # A file whose name begins like that of the trusted one.
        (
            "github",
            {"workflow_ref": "ada/example/.github/workflows/release.yml@x.yml@refs/tags/v1.0"},
        ),
        # Of another branch than the run is.
        ("github", {"workflow_ref": "ada/example/.github/workflows/release.yml@refs/heads/x"}),
        ("github", {"workflow_ref": "ada/example/.github/workflows/release.yml"}),
        ("github", {"workflow_ref": "ada/example/.github/workflows/release.yml@", "ref": ""}),
        ("github", {"workflow_ref": None}),
        ("github", {"environment": "test"}),
        ("github", {"environment": None}),
        ("gitlab", {"project_path": "tools/example"}),
        ("gitlab", {"ci_config_ref_uri": "git.example/lab/tools/python/example//ci/release.yml@x"}),
        (
            "gitlab",
            {
                "ci_config_ref_uri": "evil.example/git.example:8443/lab/tools/python/example"
                "//ci/release.yml@refs/heads/main"
            },
        ),
        (
            "gitlab",
            {
                "ci_config_ref_uri": "git.example:8443/lab/tools/python/example"
                "//ci/release.yml@refs/heads/x"
            },
        ),
        ("gitlab", {"ci_config_ref_uri": None}),
        ("gitlab", {"environment": "Release"}),
        ("forgejo", {"workflow_ref": "ada/example/.woodpecker/release.yml@refs/tags/v1.0"}),
        ("other", {"pipeline": 43}),
        ("other", {"protected": 1}),
        ("other", {"organization": ["ada"]}),
        ("other", {"organization": None}),
    ],
)
def test_tokens_of_others(name: str, changes: dict[str, object]) -> None:
    service = service_of(parse(ENTRIES[name]))
    claims = {key: value for key, value in {**TOKENS[name], **changes}.items() if value is not None}
    assert not service.matches(TRUSTED[name], claims)
    assert isinstance(service.run_of(claims), str)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        # A run of a commit that no branch names (a deployment), or of another folder of workflows.
        (
            "github",
            {
                "ref": "",
                "workflow_ref": f"ada/example/.github/workflows/release.yml@{'4' * 40}",
            },
        ),
        ("forgejo", {"workflow_ref": "ada/example/.gitea/workflows/release.yml@refs/tags/v1.0"}),
        ("forgejo", {"workflow_ref": "ada/example/.github/workflows/release.yml@refs/tags/v1.0"}),
    ],
)
def test_other_tokens_of_the_workflow(name: str, changes: dict[str, object]) -> None:
    assert service_of(parse(ENTRIES[name])).matches(TRUSTED[name], {**TOKENS[name], **changes})


def test_a_claim_that_is_not_named_any_more_still_counts() -> None:
    service = service_of(parse("kite=https://kite.example organization pipeline"))
    assert service.matches(TRUSTED["other"], OTHER)
    assert not service.matches(TRUSTED["other"], {**OTHER, "protected": False})
    assert not service.matches({"organization": "ada"}, OTHER)


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        ("github", {"owner": ""}, "Owner is missing"),
        ("github", {"owner": "ada/example"}, "Owner is something else"),
        ("github", {"owner": "https://github.com/ada"}, "Owner is something else"),
        ("github", {"repository": "ada/example"}, "Repository is something else"),
        ("github", {"workflow": ".github/workflows/release.yml"}, "Workflow is something else"),
        ("github", {"workflow": "release"}, "Workflow is something else"),
        ("github", {"workflow": "release.yml@x.yml"}, "Workflow is something else"),
        ("github", {"owner_number": "ada"}, "Number of the owner is something else"),
        ("github", {"environment": "a\nb"}, "Environment is something else"),
        ("github", {"environment": "x" * 201}, "Environment is something else"),
        ("gitlab", {"owner": "/tools"}, "Namespace is something else"),
        ("gitlab", {"workflow": "../release.yml"}, None),
        ("gitlab", {"workflow": "ci//release.yml"}, "Pipeline file is something else"),
        ("other", {"pipeline": ""}, "pipeline is missing"),
    ],
)
def test_what_forms_say(name: str, changes: dict[str, str], sentence: str | None) -> None:
    service = service_of(parse(ENTRIES[name]))
    values = {**TRUSTED[name], **changes}
    if sentence is None:
        assert service.checked(values) == values
        return
    with pytest.raises(InvalidRequest, match=sentence):
        service.checked(values)


def test_values_are_cleaned() -> None:
    service = service_of(parse("github"))
    said = {**TRUSTED["github"], "owner": " ada ", "environment": " ", "unheard-of": "x"}
    cleaned = {"owner": "ada", "repository": "example", "workflow": "release.yml"}
    assert service.checked(said) == cleaned
    assert service.described(cleaned) == "ada/example, release.yml"
    assert service.described(TRUSTED["github"]) == "ada/example, release.yml, environment pypi"


claim_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["@", "//", "a@b@c", "\0", "\ud800", "x" * 2000, "ada/example", "refs/x"]),
    st.lists(st.text(max_size=5), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


@fuzzed(60)
@given(
    name=st.sampled_from(sorted(TOKENS)),
    changes=st.dictionaries(
        st.sampled_from(sorted({claim for claims in TOKENS.values() for claim in claims})),
        claim_values,
        max_size=4,
    ),
)
def test_whatever_an_issuer_says_is_compared(name: str, changes: dict[str, object]) -> None:
    service = service_of(parse(ENTRIES[name]))
    claims = {**TOKENS[name], **changes}
    matches = service.matches(TRUSTED[name], claims)
    said = (service.name_of(claims), service.run_of(claims), service.owner_number_of(claims) or "")
    for text, most in zip(said, (255, 1000, 1000), strict=True):
        assert text.isprintable()
        assert len(text) <= most
    subject = service.subject_of(claims)
    assert not matches or subject == service.subject(TRUSTED[name])
