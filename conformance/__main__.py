"""The command line: ``python -m conformance --root URL --token TOKEN``."""

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from conformance.client import basic, bearer
from conformance.laboratory import Choices
from conformance.register import CASES
from conformance.report import as_json, as_text
from conformance.runner import run
from conformance.text import unquoted
from conformance.verdicts import NotArranged


def main(arguments: list[str] | None = None) -> int:
    """Run the suite; 0 if everything binding holds, 1 if not, 2 for wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.check_text is not None:
        return _check_text(options.check_text)
    if not options.root or not options.token:
        parser.error("--root and --token are needed")
    report = run(_choices(options), [case for case in CASES if _is_wanted(case.name, options.only)])
    print(as_json(report) if options.json else as_text(report, unchecked=options.unchecked))
    return 0 if report.holds(strict=options.strict) else 1


def _choices(options: argparse.Namespace) -> Choices:
    def authorization(token: str | None) -> str | None:
        if token is None:
            return None
        return bearer(token) if options.scheme == "bearer" else basic(token, options.user)

    return Choices(
        root=options.root,
        authorization=authorization(options.token) or "",
        second=authorization(options.second_token),
        stage_only=authorization(options.stage_only_token),
        index=options.index,
        name_prefix=options.name_prefix,
        publishing=not options.no_publish,
        refused_version=options.refused_version,
        grant=_command(options.grant_command),
        revoke=_command(options.revoke_command),
        timeout=options.timeout,
        patience=options.patience,
    )


def _command(template: str | None) -> Callable[[str], None] | None:
    if template is None:
        return None

    def call(project: str) -> None:
        command = [part.replace("{project}", project) for part in shlex.split(template)]
        done = subprocess.run(command, stdout=subprocess.DEVNULL)  # noqa: S603 (given to us)
        if done.returncode != 0:
            raise NotArranged(f"{shlex.join(command)} ended with status {done.returncode}")

    return call


def _is_wanted(name: str, only: list[str]) -> bool:
    return not only or any(part in name for part in only)


def _check_text(path: Path) -> int:
    try:
        missing = unquoted(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"{path} cannot be read as the source of PEP 694: {error}", file=sys.stderr)
        return 2
    for sentence in missing:
        print(sentence)
    print(f"{len(missing)} sentences or quotes do not match.", file=sys.stderr)
    return 1 if missing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m conformance",
        description="Checks an index against the text of PEP 694, Upload 2.0.",
    )
    add = parser.add_argument
    environ = os.environ.get
    add("--root", metavar="URL", help="the root endpoint of the index's Upload 2.0 API")
    add(
        "--token",
        default=environ("CONFORMANCE_TOKEN"),
        help="credentials that may create projects (or the variable CONFORMANCE_TOKEN)",
    )
    add(
        "--second-token",
        metavar="TOKEN",
        default=environ("CONFORMANCE_SECOND_TOKEN"),
        help="those of another account (or CONFORMANCE_SECOND_TOKEN)",
    )
    add(
        "--stage-only-token",
        metavar="TOKEN",
        default=environ("CONFORMANCE_STAGE_ONLY_TOKEN"),
        help="credentials of the first account that may stage and not publish",
    )
    add("--scheme", choices=("basic", "bearer"), default="basic", help="default: basic")
    add("--user", default="__token__", help="the user name of the basic scheme")
    add("--index", metavar="URL", help="the public simple index, to see what is and is not public")
    add("--grant-command", metavar="COMMAND", help="lets the second account upload to {project}")
    add("--revoke-command", metavar="COMMAND", help="takes that right again")
    add("--refused-version", metavar="VERSION", help="a version that the index's review refuses")
    add("--name-prefix", default="conformance", help="what the throw-away projects begin with")
    add("--no-publish", action="store_true", help="publish nothing; all is canceled in the end")
    add("--only", action="append", default=[], metavar="WORD", help="cases with this in their name")
    add("--timeout", type=float, default=60.0, help="seconds for each request")
    add("--patience", type=float, default=60.0, help="seconds for what is decided later")
    add("--strict", action="store_true", help="fail when a SHOULD does not hold, too")
    add("--json", action="store_true", help="report in JSON")
    add("--unchecked", action="store_true", help="list also what is not checked, and why")
    add(
        "--check-text",
        metavar="FILE",
        type=Path,
        help="ask no server, but list the sentences of this copy of the PEP that no case quotes",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
