"""The commands that twine gets: ``twine stage`` and ``twine session``.

Each takes its arguments and gives the exit status: 0, or 1 with one sentence on standard error;
argparse leaves with 2 when the command line is wrong. Waiting has statuses of its own.
"""

import argparse
import logging
import re
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import rich.console
from packaging.utils import canonicalize_name
from rich.logging import RichHandler
from twine.exceptions import TwineException

from twine_stage import report, sets, uploads, waiting
from twine_stage.connection import Connection, printable
from twine_stage.dists import canonical_version, releases
from twine_stage.errors import Failure, Refused
from twine_stage.interrupts import interruptible
from twine_stage.memory import Memory, Record
from twine_stage.progress import Progress
from twine_stage.report import Body
from twine_stage.staging import Staging
from twine_stage.target import (
    DEFAULT_REPOSITORY,
    Target,
    add_options,
    check_same_index,
    target,
)
from twine_stage.uploads import Session
from twine_stage.waiting import Outcome

INTERRUPTED = 130
_OF_SETS = ("status", "publish", "wait", "review")
_JOBS = 4
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Parsed = argparse.Namespace


def stage(arguments: Sequence[str]) -> int:
    """``twine stage``: upload distributions without publishing them."""
    parser = stage_parser()
    return _run(parser, parser.parse_args(list(arguments)), _stage)


def session(arguments: Sequence[str]) -> int:
    """``twine session``: look at sessions, wait, publish, cancel and prolong them."""
    parser = session_parser()
    options = parser.parse_args(list(arguments))
    return _run(parser, options, _SESSION_COMMANDS[options.action])


def stage_parser() -> argparse.ArgumentParser:
    """What ``twine stage`` understands."""
    parser = argparse.ArgumentParser(
        prog="twine stage",
        description="Upload distributions to a staged release, which nobody sees who has not got "
        "its address, until it is published: twine session publish.",
    )
    add_options(parser)
    _add_json(parser)
    parser.add_argument(
        "--jobs",
        type=_number,
        default=_JOBS,
        help="How many files to upload at a time [default: %(default)s].",
    )
    parser.add_argument(
        "--replace-unfinished",
        action="store_true",
        help="Delete uploads of the same files that were begun elsewhere and not finished, such "
        "as by a CI job that was killed.",
    )
    parser.add_argument(
        "--variables",
        type=Path,
        metavar="FILE",
        help="Append session_id, session_url and stage_url to this file, one name=value a line, "
        "as $GITHUB_OUTPUT and GitLab's dotenv reports take them; also when files are missing. For "
        "one release only.",
    )
    parser.add_argument(
        "--set",
        dest="release_set",
        metavar="NAME",
        help="Put the releases into this release set, which is published together; it is made "
        "where it is new. OWNER/NAME for somebody else's.",
    )
    parser.add_argument(
        "dists", nargs="+", metavar="dist", help="The distribution files. Usually dist/*."
    )
    return parser


def session_parser() -> argparse.ArgumentParser:
    """What ``twine session`` understands."""
    parser = argparse.ArgumentParser(
        prog="twine session", description="Look at staged releases, publish, cancel, prolong them."
    )
    actions = parser.add_subparsers(dest="action", required=True)
    for name, help_ in (
        ("status", "Show how a session stands."),
        ("publish", "Publish a session, and wait until that is decided."),
        ("cancel", "Cancel a session, and discard its files."),
        ("extend", "Ask for more time."),
        ("wait", "Wait until a session is published or ends otherwise."),
        ("review", "Show what a session would make public, and what to look at before."),
        ("list", "List the sessions that this machine remembers; asks no index."),
    ):
        action = actions.add_parser(name, help=help_, description=help_)
        add_options(action)
        _add_json(action)
        if name == "list":
            action.add_argument("--all", action="store_true", help="Those that have ended, too.")
            continue
        action.add_argument(
            "session",
            metavar="ID",
            nargs="?" if name in _OF_SETS else None,
            help="What twine stage called the session; or its address; or PROJECT==VERSION.",
        )
        if name in _OF_SETS:
            action.add_argument(
                "--set",
                dest="release_set",
                metavar="NAME",
                help="The release set of this name instead, with all its sessions; OWNER/NAME for "
                "somebody else's.",
            )
        if name == "publish":
            action.add_argument(
                "--digest",
                metavar="DIGEST",
                help="Publish only what this digest names, as the session showed it [default: "
                "what this machine saw last].",
            )
            action.add_argument(
                "--register-name",
                action="store_true",
                help="Register the name of a new project with a session that has no files.",
            )
        if name == "wait":
            action.epilog = (
                "Exit status: 0 when it is published, 3 when it is discarded, 4 when it has "
                "expired, 5 when the time is up; 1 when the index does not tell."
            )
            action.add_argument(
                "--timeout",
                type=_seconds,
                metavar="TIME",
                help="How long to wait, such as 90s, 30m or 6h [default: until it ends].",
            )
        if name == "review":
            _add_review(action)
        if name == "extend":
            action.add_argument(
                "--for",
                dest="length",
                type=_seconds,
                default=_seconds("7d"),
                metavar="TIME",
                help="How much longer, such as 3600s, 12h or 7d [default: 7d]. The index may give "
                "less.",
            )
    return parser


def _add_review(action: argparse.ArgumentParser) -> None:
    action.add_argument(
        "--markdown",
        action="store_true",
        help="Print Markdown, as the summaries of CI services take it.",
    )
    action.add_argument(
        "--against",
        metavar="VERSION",
        help="The release to compare with [default: the one before].",
    )
    action.add_argument(
        "--wait",
        type=_seconds,
        default=_seconds("2m"),
        metavar="TIME",
        help="How long to wait for files that the index has not looked into yet [default: 2m].",
    )


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json",
        action="store_true",
        help="Print JSON, and nothing else, on standard output; asks for nothing.",
    )


# Commands: each gives a body for scripts, and lines for people


Result = tuple[Body, list[str]]


def _stage(parser: argparse.ArgumentParser, options: Parsed) -> Result:
    found = releases(options.dists)
    if options.variables is not None and len(found) > 1:
        raise Failure("--variables is for one release, and these files are of several.")
    index = target(parser, options)
    progress = Progress(bars=not options.disable_progress_bar, quiet=options.json)
    staging = Staging(
        index,
        Memory(),
        progress,
        jobs=options.jobs,
        replace_unfinished=options.replace_unfinished,
        release_set=options.release_set,
    )
    staged = staging.run(found)
    for one in staged:
        if one.place is not None and one.place.session.status not in uploads.ENDED:
            digest = one.place.session.digest
            staging.memory.remember(replace(one.place.record, digest=digest))
    if options.variables is not None:
        report.append_variables(options.variables, staged[0])
    body: Body = {"sessions": [report.staged_body(one) for one in staged]}
    if any(one.failures for one in staged):
        raise _Incomplete(report.failed_sentence(staged), body, report.failure_lines(staged))
    return body, [line for one in staged for line in report.staged_lines(one)]


def _status(parser: argparse.ArgumentParser, options: Parsed) -> Result:
    if _means_set(parser, options):
        _, found = _found_set(parser, options)
        return sets.body_of(found), sets.lines_of(found)
    place = _place(parser, options)
    return place.result(place.load())


def _means_set(parser: argparse.ArgumentParser, options: Parsed) -> bool:
    """Whether a release set is named, and not a session."""
    if (options.session is None) == (options.release_set is None):
        parser.error("name a session, or a release set with --set")
    return options.release_set is not None


def _found_set(
    parser: argparse.ArgumentParser, options: Parsed
) -> tuple[Connection, sets.ReleaseSet]:
    """The release set that the command line names, at the index that it names."""
    index = target(parser, options)
    if index.root is None:
        raise Failure("The index has no Upload 2.0, and so no release sets to look at.")
    connection = index.connect(threading.Event())
    try:
        return connection, sets.find(connection, index.root, options.release_set)
    except Refused as refused:
        if refused.status != 404:
            raise
        raise sets.missing(refused, options.release_set) from refused


def _publish_set(parser: argparse.ArgumentParser, options: Parsed) -> Result:
    if options.register_name:
        parser.error("--register-name is for a session, not for a release set")
    connection, found = _found_set(parser, options)
    try:
        published = sets.publish(connection, found, options.digest or found.digest)
    except Refused as refused:
        if "draft-changed" not in refused.codes:
            raise
        raise _Several(
            "The release set is not what you saw any more, and nothing was published:",
            refused.sentences,
            f"Look at it with twine session status --set {options.release_set}, then publish it "
            "again.",
        ) from refused
    return sets.body_of(published), sets.lines_of(published)


def _publish(parser: argparse.ArgumentParser, options: Parsed) -> Result:
    if _means_set(parser, options):
        return _publish_set(parser, options)
    place = _place(parser, options)
    found = place.load()
    undecided = found.status not in (*uploads.ENDED, "processing")
    if undecided:
        _check_files(found, place.release, registers_name=options.register_name)
        found = place.measured(found)
    try:
        published = uploads.publish(place.connection, found, place.digest(found, options.digest))
    except Refused as refused:
        if "draft-changed" not in refused.codes:
            raise
        raise _Several(
            "The session is not what you saw any more, and nothing was published:",
            refused.sentences,
            f"Look at it with twine session status {options.session}, then publish it again.",
        ) from refused
    body, lines = place.result(published)
    if undecided and found.files:
        lines[1:1] = [report.public_line(found)]
    if undecided and options.register_name:
        lines = [f"The name {body['project'] or 'of the project'} is registered. No release is."]
    return body, lines


def _check_files(found: Session, release: tuple[str, str] | None, *, registers_name: bool) -> None:
    """Nothing, if publishing the session does what was asked for.

    Raises:
        Failure: it has no files, and would register a name; or it has, and would publish them.
    """
    name = release[0] if release is not None else "the project"
    if registers_name and found.files:
        raise Failure("The session has files, which --register-name would publish: leave it out.")
    if not found.files and not registers_name:
        raise Failure(
            "The session has no files, so there is nothing to publish: twine stage adds some. To "
            f"register the name of {name} without files, say --register-name."
        )


def _cancel(parser: argparse.ArgumentParser, options: Parsed) -> Result:
    place = _place(parser, options)
    found = place.load()
    uploads.cancel(place.connection, found)
    return place.result(replace(found, status="canceled", files={}, links={}, notices=()))


def _extend(parser: argparse.ArgumentParser, options: Parsed) -> Result:
    place = _place(parser, options)
    return place.result(uploads.extend(place.connection, place.load(), options.length))


def _wait(parser: argparse.ArgumentParser, options: Parsed) -> Result:
    if _means_set(parser, options):
        return _wait_for_set(parser, options)
    place = _place(parser, options)
    found, outcome = waiting.wait(
        place.connection,
        place.load,
        waiting.parse_session,
        options.timeout,
        lambda sentence: print(f"{parser.prog}: {sentence}", file=sys.stderr),
    )
    body, lines = place.result(found)
    if outcome in (Outcome.DISCARDED, Outcome.EXPIRED):
        lines[0] = f"{lines[0].rpartition(': ')[0]}: {outcome.value}"
    return _waited(outcome, body, lines, f"{body['id'] or body['session-url']}")


def _wait_for_set(parser: argparse.ArgumentParser, options: Parsed) -> Result:
    index = target(parser, options)
    if index.root is None:
        raise Failure("The index has no Upload 2.0, and so no release sets to wait for.")
    root, connection = index.root, index.connect(threading.Event())

    def load() -> sets.ReleaseSet:
        try:
            return sets.find(connection, root, options.release_set)
        except Refused as refused:
            if refused.status != 404:
                raise
            raise sets.missing(refused, options.release_set) from refused

    found, outcome = waiting.wait(
        connection,
        load,
        lambda answer, _: sets.parse(answer),
        options.timeout,
        lambda sentence: print(f"{parser.prog}: {sentence}", file=sys.stderr),
    )
    body, lines = dict(sets.body_of(found)), list(sets.lines_of(found))
    if outcome in (Outcome.DISCARDED, Outcome.EXPIRED):
        lines = [f"{found.name}: {outcome.value}"]
    return _waited(outcome, body, lines, f"--set {options.release_set}")


def _waited(outcome: Outcome, body: Body, lines: list[str], what: str) -> Result:
    """What waiting has come to.

    Raises:
        _Ends: it is not published.
    """
    body["outcome"] = outcome.value
    if outcome is Outcome.PUBLISHED:
        return body, lines
    if outcome is Outcome.TIMED_OUT:
        command = f"twine session wait {what}"
        body["next-command"] = command
        lines += ["The time is up. To wait on:", f"  {command}"]
    raise _Ends(_STATUS_OF[outcome], body, lines)


_STATUS_OF = {Outcome.DISCARDED: 3, Outcome.EXPIRED: 4, Outcome.TIMED_OUT: 5}


def _review(parser: argparse.ArgumentParser, options: Parsed) -> Result:
    if options.markdown and options.json:
        parser.error("--markdown and --json are two forms: choose one")
    if _means_set(parser, options):
        return _review_set(parser, options)
    place = _place(parser, options)
    if place.release is None:
        place.load()
    if place.release is None:
        raise Failure("The index does not say what this is a session of: name PROJECT==VERSION.")
    review = uploads.review_of(place.connection, place.index.base, place.release, options.against)
    return _reviewed(options, review)


def _review_set(parser: argparse.ArgumentParser, options: Parsed) -> Result:
    if options.against is not None:
        parser.error("--against is for a session, not for a release set")
    connection, found = _found_set(parser, options)
    return _reviewed(options, sets.review(connection, found))


def _reviewed(options: Parsed, review: uploads.Review) -> Result:
    body = review.body(_told, options.wait)
    if options.json:
        return dict(body), []
    text = review.text("markdown" if options.markdown else "text")
    return dict(body), [_shown(line) for line in text.rstrip("\n").split("\n")]


def _shown(line: str) -> str:
    """A line of an index, without what could control a terminal."""
    return "".join(each if each.isprintable() else " " for each in line)


def _told(sentence: str) -> None:
    """Show how far something is, to whoever is there."""
    if sys.stderr.isatty():
        print(sentence, file=sys.stderr)


def _list(parser: argparse.ArgumentParser, options: Parsed) -> Result:
    records = [record for record in Memory().sessions() if options.all or not record.ended]
    lines = [
        f"{record.id}  {record.project} {record.version}  {record.status}  {record.repository}"
        for record in records
    ]
    return {"sessions": [report.record_body(record) for record in records]}, lines


Command = Callable[[argparse.ArgumentParser, Parsed], Result]
_SESSION_COMMANDS: dict[str, Command] = {
    "status": _status,
    "publish": _publish,
    "cancel": _cancel,
    "extend": _extend,
    "wait": _wait,
    "review": _review,
    "list": _list,
}


# Which session is meant


# What there is to say of one that this machine saw published, and the index forgot.
_EMPTY = Session(url="", status="published", expires="", links={}, mechanisms=(), files={})


class _Place:
    """A session that was named: where it is, and what is remembered of it.

    Args:
        index: where it is.
        memory: what this machine remembers.
        record: what it remembers of this session.
        address: the session's, if that is known.
        release: project and version, if the session was named by those.
    """

    def __init__(
        self,
        index: Target,
        memory: Memory,
        record: Record | None,
        address: str | None,
        release: tuple[str, str] | None,
    ) -> None:
        self.index = index
        self.memory = memory
        self.record = record
        self.address = address
        self.named_by = release
        self.release = release
        if record is not None:
            self.release = (record.project, record.version)
        if address is not None:
            check_same_index(index, address)
        self.connection: Connection = index.connect(threading.Event())

    def load(self) -> Session:
        """The session, as the index describes it.

        Raises:
            Failure: it does not, any more or to these credentials.
        """
        found = self._load()
        self.release = self.release or report.release_of(found)
        return found

    def _load(self) -> Session:
        if self.address is None:
            return self._load_by_name()
        try:
            found = uploads.status(self.connection, self.address)
        except Refused as refused:
            if refused.status not in (404, 410):
                raise
            if self.record is not None and self.record.legacy and not self.record.ended:
                return self._load_by_name()
            if self.record is not None:
                if self.record.status == "published":
                    ended = replace(_EMPTY, url=self.record.session)
                    return ended if self.named_by is None else self._load_next(ended)
                self.memory.remember(replace(self.record, status="gone"))
            if self.named_by is None:
                raise Failure("The index does not know this session (any more).") from refused
            return self._load_by_name()
        if self.named_by is not None and found.status in uploads.ENDED:
            return self._load_next(found)
        return found

    def _load_next(self, ended: Session) -> Session:
        """The release's session of today, when the one that is remembered ended elsewhere."""
        try:
            found = self._load_by_name()
        except Failure:
            return ended
        if self.record is not None:
            self.memory.remember(replace(self.record, status=ended.status))
        self.record = None
        return found

    def _load_by_name(self) -> Session:
        if self.release is None:
            raise Failure("The index does not know this session (any more).")
        return uploads.find(self.connection, self.index.base, *self.release)

    def digest(self, found: Session, stated: str | None) -> str | None:
        """What is to be published: as stated, else as somebody last saw it here, else as it is.

        Raises:
            Failure: a digest was stated, and the index tells none.
        """
        if found.digest is None:
            if stated is not None and found.status not in uploads.ENDED:
                raise Failure("This index tells no digest of a session: --digest means nothing.")
            return None
        record = self.record or self.memory.by_url(found.url)
        return stated or (record.digest if record is not None else None) or found.digest

    def measured(self, found: Session) -> Session:
        """The session with the size of its files, as far as that can be known."""
        return uploads.measured(self.connection, found, self.release[0] if self.release else None)

    def result(self, found: Session) -> Result:
        """What to print of it; also notes how it stands."""
        record = self.record or self.memory.by_url(found.url)
        if record is not None:
            digest = found.digest or record.digest
            self.memory.remember(replace(record, status=found.status, digest=digest))
        body = report.session_body(self.measured(found), self.release)
        return body, report.session_lines(body)


def _place(parser: argparse.ArgumentParser, options: Parsed) -> _Place:
    """The session that the command line names: by id, by address, or by project and version.

    Raises:
        Failure: nothing is known of it here.
    """
    named: str = options.session
    memory = Memory()
    project, equals, version = named.partition("==")
    if "://" in named:
        return _at(parser, options, memory, memory.by_url(named), named)
    if equals:
        release = (str(canonicalize_name(project)), canonical_version(version))
        record = memory.by_name(*release)
        return _at(parser, options, memory, record, record.session if record else None, release)
    record = memory.get(named)
    if record is None:
        raise Failure(
            f"No session {printable(named)!r} is remembered on this machine: name it by its "
            "address, or as PROJECT==VERSION."
        )
    return _at(parser, options, memory, record, record.session)


def _at(
    parser: argparse.ArgumentParser,
    options: Parsed,
    memory: Memory,
    record: Record | None,
    address: str | None,
    release: tuple[str, str] | None = None,
) -> _Place:
    """The session at the index that the options name, and else at the one it was staged at."""
    if options.repository_url is None and options.repository == DEFAULT_REPOSITORY:
        known = record or (memory.place_of(release[0]) if release is not None else None)
        if known is not None and known.name is not None:
            options.repository = known.name
        elif known is not None:
            options.repository_url = known.repository
        if known is not None and options.upload_root is None:
            options.upload_root = known.root
    return _Place(target(parser, options), memory, record, address, release)


# Running


class _Incomplete(Failure):
    """Some of it was done, which scripts are told too."""

    def __init__(self, sentence: str, body: Body, lines: Sequence[str]) -> None:
        super().__init__(sentence)
        self.body = body
        self.lines = lines


class _Ends(Exception):
    """The command has done what it does, with a status that says what came of it."""

    def __init__(self, status: int, body: Body, lines: Sequence[str]) -> None:
        super().__init__(status)
        self.status = status
        self.body = body
        self.lines = lines


class _Several(Failure):
    """The index has several reasons: one sentence for scripts, a line each for people."""

    def __init__(self, head: str, sentences: Sequence[str], advice: str = "") -> None:
        super().__init__(" ".join(filter(None, [head, *sentences, advice])))
        reasons = [f"  {line}" for line in report.reason_lines(sentences)]
        self.lines = [head, *reasons, *([advice] if advice else [])]


def _run(parser: argparse.ArgumentParser, options: Parsed, command: Command) -> int:
    if options.json:
        options.non_interactive = True
    _log_to_stderr(verbose=options.verbose)
    try:
        status = 0
        with interruptible():
            body, lines = command(parser, options)
    except KeyboardInterrupt:
        return _fail(parser, options, "Interrupted.", status=INTERRUPTED)
    except _Incomplete as failure:
        return _fail(parser, options, str(failure), failure.body, lines=failure.lines)
    except _Several as failure:
        return _fail(parser, options, str(failure), lines=failure.lines)
    except EOFError:
        return _fail(parser, options, "Credentials are missing, and nobody is there to ask.")
    except Refused as refused:
        several = _Several("The index refuses that:", refused.sentences)
        lines = several.lines if len(refused.sentences) > 1 else []
        return _fail(parser, options, " ".join(str(refused).split()), lines=lines)
    except (Failure, TwineException) as failure:
        return _fail(parser, options, " ".join(str(failure).split()))
    except _Ends as end:
        status, body, lines = end.status, end.body, list(end.lines)
    print(report.as_json(body) if options.json else "\n".join(lines))
    return status


def _fail(
    parser: argparse.ArgumentParser,
    options: Parsed,
    sentence: str,
    body: Body | None = None,
    status: int = 1,
    lines: Sequence[str] = (),
) -> int:
    if options.json:
        print(report.as_json({"error": sentence, **(body or {})}))
    print(f"{parser.prog}: " + ("\n".join(lines) or sentence), file=sys.stderr)
    return status


def _log_to_stderr(*, verbose: bool) -> None:
    """Twine logs to standard output, where scripts read what we say.

    Of connections that are tried again, people are told when that has led nowhere.
    """
    logging.getLogger("urllib3").setLevel(logging.INFO if verbose else logging.ERROR)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, RichHandler):
            handler.console = rich.console.Console(stderr=True, highlight=False)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 32):
        raise argparse.ArgumentTypeError("a whole number from 1 to 32")
    return int(text)


def _seconds(text: str) -> int:
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd]?)", text)
    if match is None:
        raise argparse.ArgumentTypeError("a time such as 3600s, 12h or 7d")
    return int(match[1]) * _UNITS[match[2] or "s"]
