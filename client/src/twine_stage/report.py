"""What the commands say: lines for people, JSON for scripts, variables for CI systems."""

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)

from twine_stage.errors import Failure
from twine_stage.memory import Record, session_id
from twine_stage.staging import Staged
from twine_stage.uploads import ENDED, Session

Body = dict[str, Any]

# The address of a stage, and what comes before it: there the index itself begins.
_STAGE = re.compile(r"(https?://.*/)draft/[^/]+/simple/?")


def session_body(session: Session, release: tuple[str, str] | None) -> Body:
    """A session for scripts. The keys are documented in the README and stay.

    What it is a session of is no part of what an index says of it.
    """
    project, version = release or (None, None)
    return {
        "id": session_id(*release, session.url) if release is not None else None,
        "project": project,
        "version": version,
        "status": session.status,
        "session-url": session.url,
        "stage-url": session.stage,
        "install-command": install_command(session, project, version),
        "expires-at": session.expires or None,
        "files": [
            {"filename": name, "status": file.status, "notices": list(file.notices)}
            for name, file in sorted(session.files.items())
        ],
        "notices": list(session.notices),
    }


def staged_body(staged: Staged) -> Body:
    """A session for scripts, with what this run did to it."""
    release = (staged.record.project, staged.record.version)
    return session_body(staged.session, release) | {
        "opened": staged.opened,
        "uploaded": sorted(name for name, outcome in staged.outcomes.items() if outcome is True),
        "unchanged": sorted(name for name, outcome in staged.outcomes.items() if outcome is False),
        "failed": {name: str(failure) for name, failure in sorted(staged.failures.items())},
    }


def record_body(record: Record) -> Body:
    """A session that is remembered, for scripts."""
    return {
        "id": record.id,
        "project": record.project,
        "version": record.version,
        "status": record.status,
        "session-url": record.session,
        "repository-url": record.repository,
        "changed-at": record.changed,
    }


def session_lines(body: Mapping[str, Any]) -> list[str]:
    """A session for people. Lines are never broken, so that addresses can be copied."""
    name = " ".join(str(body[key]) for key in ("project", "version") if body[key])
    lines = [f"{name or body['session-url']}: {body['status']}"]
    rows = [
        ("Stage", body["stage-url"]),
        ("Install", body["install-command"]),
        ("Session", body["id"] or body["session-url"]),
        ("Expires", body["expires-at"] if body["status"] not in ENDED else None),
    ]
    lines += [f"  {label + ':':9}{value}" for label, value in rows if value]
    for file in body["files"]:
        lines.append(f"  {file['status']:<11}{file['filename']}")
        lines += [f"             {notice}" for notice in file["notices"]]
    return lines


def staged_lines(staged: Staged) -> list[str]:
    """What was staged, for people."""
    lines = session_lines(staged_body(staged))
    return [
        *lines,
        f"Nothing of it is public. Publish it: twine session publish {staged.record.id}",
    ]


def failed_sentence(staged: Sequence[Staged]) -> str:
    """What is missing, and how to go on."""
    sentences = []
    for one in staged:
        if not one.failures:
            continue
        number, total = len(one.failures), len(one.outcomes)
        reasons = "; ".join(
            f"{name}: {str(failure).rstrip('.')}" for name, failure in sorted(one.failures.items())
        )
        sentences.append(
            f"{number} of {total} files of {one.release.project} {one.release.version} "
            f"{'was' if number == 1 else 'were'} not staged: {reasons}."
        )
    return " ".join(sentences)


def install_command(session: Session, project: str | None, version: str | None) -> str | None:
    """The line that installs from the session, and what that depends on from the same index.

    It never leaves pip to look on its default index. Where the index is not known from the
    address of the stage, the stage is the only one that is asked.
    """
    if session.stage is None or project is None or version is None:
        return None
    requirement = shlex.quote(f"{project}=={version}")
    stage = _STAGE.fullmatch(session.stage)
    if stage is None:
        return f"pip install --index-url {shlex.quote(session.stage)} {requirement}"
    return (
        f"pip install --index-url {shlex.quote(stage[1] + 'simple/')} "
        f"--extra-index-url {shlex.quote(session.stage)} {requirement}"
    )


def append_variables(path: Path, staged: Staged) -> None:
    """Add where the session is to a file of ``name=value`` lines, as CI systems read them.

    Raises:
        Failure: it cannot be written.
    """
    variables = {
        "session_id": staged.record.id,
        "session_url": staged.session.url,
        "stage_url": staged.session.stage or "",
    }
    try:
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in variables.items())
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}.") from error


def as_json(body: Mapping[str, Any]) -> str:
    """The body as it is printed."""
    return json.dumps(body, indent=2)


def release_of(session: Session) -> tuple[str, str] | None:
    """Project and version, as far as the names of the files tell."""
    for name in session.files:
        try:
            if name.endswith(".whl"):
                project, version, _, _ = parse_wheel_filename(name)
            else:
                project, version = parse_sdist_filename(name)
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue
        return str(project), str(version)
    return None
