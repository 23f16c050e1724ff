"""Which files of the indexes behind this one are let in, and what is said of those that are not.

The settings say what is asked of every file. Administrators make rules for what is let in although
it is asked otherwise, and for what is not. In this order, the first that decides:

1. what the setting of denied names has is refused;
2. of the rules that deny or allow, the one that chooses least decides: one version before several,
   those before a whole project, and that before a pattern of names; where two choose as little, the
   one that denies;
3. what is not on the list of allowed names is refused, where there is one;
4. so is what is no wheel, too large, too young, or under another licence, each where it is asked.
   A rule that lets files in early spares them the age alone.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace
from packaging.version import Version
from sqlalchemy import or_, select

from greenroom.distributions.historical import version_in
from greenroom.models import RuleKind, UpstreamRule
from greenroom.other_indexes.pages import PageFile, ProjectPage
from greenroom.registry import upstream_licenses
from greenroom.registry.sizes import readable_size
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.selections import Selection
from greenroom.settings import Settings

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_MOST_NAMED = 5
_CAN_LET_IN = "Its administrators can let it in."
_ADMINISTRATORS = "Ask the administrators of this index."
_OPERATOR = "Ask the operator of this index."


class Why(StrEnum):
    """What a file is refused for."""

    SETTING = "setting"
    RULE = "rule"
    NOT_LISTED = "not-listed"
    NO_WHEEL = "no-wheel"
    SIZE = "size"
    AGE = "age"
    LICENSE = "license"


class Refused(Struct, frozen=True):
    """That a file is not let in.

    Attributes:
        why: in one word.
        sentence: for whoever asks for it: what has happened, and whom to ask.
    """

    why: Why
    sentence: str


class HeldRule(Struct, frozen=True):
    """A rule of administrators that holds.

    Attributes:
        reason: why, in the words of whoever made it; may be empty.
        until: the last day on which it holds; empty where it holds for ever.
    """

    kind: RuleKind
    selection: Selection
    reason: str
    until: str

    @property
    def rank(self) -> tuple[int, bool]:
        """By which the first of several is found: the largest decides."""
        return self.selection.breadth, self.kind is RuleKind.DENY


class Policy(Struct, frozen=True):
    """What is asked of the files of one project of one upstream.

    Attributes:
        upstream: its name in the settings.
        project: the normalized name.
        settings: what is asked of all.
        denied: what of the setting of denied names is about the project; ``allowed`` likewise.
        rules: of administrators, those that hold now and are about the project.
        licenses: what is known of the files' licences, by file name.
        now: by which ages are judged.
    """

    upstream: str
    project: str
    settings: Settings
    denied: tuple[Selection, ...]
    allowed: tuple[Selection, ...]
    rules: tuple[HeldRule, ...]
    licenses: Mapping[str, str]
    now: datetime

    def judged(self, page: ProjectPage) -> Mapping[str, Refused]:
        """The files of a page that are not let in, by name."""
        if not self._asks_anything:
            return {}
        found = ((file.filename, self.of(file)) for file in page.files)
        return {filename: refused for filename, refused in found if refused is not None}

    def of(self, file: PageFile) -> Refused | None:
        """Why a file is not let in; None where it is."""
        version = self._version(file)
        for selection in self.denied:
            if selection.has(self.project, version, unknown=True):
                return self._refused(
                    Why.SETTING,
                    file,
                    f"is not let in here: the settings deny {selection}",
                    _OPERATOR,
                )
        rule = self._rule(version)
        if rule is not None:
            return self._denied(rule, file) if rule.kind is RuleKind.DENY else None
        if self.settings.upstream_allow and not any(
            selection.has(self.project, version, unknown=False) for selection in self.allowed
        ):
            listed = f"is not on the list of what this index lets in from {self.upstream}"
            return self._refused(Why.NOT_LISTED, file, listed)
        return (
            self._no_wheel(file)
            or self.too_large(file, file.size)
            or self._too_young(file, version)
            or self._under_another_license(file)
        )

    def before(self, file: PageFile) -> Refused | None:
        """The same of a file that is looked into before it is let in, whatever it is.

        What nobody has read of its licence yet counts for nothing: :meth:`once_read` judges that.
        """
        refused = self.of(file)
        is_certain = refused is None or refused.why is not Why.LICENSE
        return refused if is_certain or file.filename in self.licenses else None

    def once_read(self, file: PageFile, size: int, expression: str) -> Refused | None:
        """The same of a file that has come.

        Args:
            file: which.
            size: in bytes.
            expression: as :func:`upstream_licenses.expression_of` gives it, of the metadata in it.
        """
        known = {**self.licenses, file.filename: expression}
        return replace(self, licenses=known).of(replace(file, size=size))

    @property
    def _asks_anything(self) -> bool:
        asked = self.settings
        return bool(
            self.rules
            or self.denied
            or asked.upstream_allow
            or asked.upstream_licenses
            or asked.upstream_wheels_only == "true"
            or asked.upstream_max_file_size is not None
            or asked.upstream_min_age is not None
        )

    @property
    def _needs_versions(self) -> bool:
        selections = (*self.denied, *self.allowed, *(rule.selection for rule in self.rules))
        return any(selection.specifier for selection in selections)

    def _rule(self, version: Version | None) -> HeldRule | None:
        """The rule that decides between letting in and not."""
        of_it = [
            rule
            for rule in self.rules
            if rule.kind is not RuleKind.EARLY
            and rule.selection.has(self.project, version, unknown=rule.kind is RuleKind.DENY)
        ]
        return max(of_it, key=lambda rule: rule.rank, default=None)

    def _denied(self, rule: HeldRule, file: PageFile) -> Refused:
        until = f" until {rule.until}" if rule.until else ""
        reason = f": {rule.reason.rstrip('. ')}" if rule.reason else ""
        return self._refused(Why.RULE, file, f"is not let in here{until}{reason}", _ADMINISTRATORS)

    def _no_wheel(self, file: PageFile) -> Refused | None:
        if self.settings.upstream_wheels_only != "true" or file.filename.endswith(".whl"):
            return None
        return Refused(
            Why.NO_WHEEL,
            f"{file.filename} is not a wheel: this index lets only wheels in from {self.upstream}. "
            f"{_CAN_LET_IN}",
        )

    def too_large(self, file: PageFile, size: int | None) -> Refused | None:
        """Why a file of this size is not let in, where nothing but its size counts.

        Args:
            file: which.
            size: in bytes; None where nobody knows, which lets it in until somebody does.
        """
        most = self.settings.upstream_max_file_size
        if most is None or size is None or size <= most:
            return None
        return Refused(
            Why.SIZE,
            f"{file.filename} has {readable_size(size)}: this index lets files of at most "
            f"{readable_size(most)} in from {self.upstream}. {_CAN_LET_IN}",
        )

    def _too_young(self, file: PageFile, version: Version | None) -> Refused | None:
        least = self.settings.upstream_min_age
        if least is None:
            return None
        uploaded = file.uploaded
        if uploaded is not None and self.now - uploaded >= least:
            return None
        if any(
            rule.kind is RuleKind.EARLY and rule.selection.has(self.project, version, unknown=False)
            for rule in self.rules
        ):
            return None
        after = f"this index lets files in from {self.upstream} after {_length(least)}"
        if uploaded is None:
            return Refused(
                Why.AGE,
                f"{self.upstream} does not say when {file.filename} was uploaded, and {after}. "
                f"{_CAN_LET_IN}",
            )
        ago = _ago(self.now - uploaded)
        return self._refused(
            Why.AGE, file, f"was uploaded {ago}: {after}", f"{_CAN_LET_IN[:-1]} earlier."
        )

    def needs_license(self, file: PageFile) -> bool:
        """Whether it counts for a file that is let in so far what its metadata says, not known yet.

        Only a file of which the upstream offers the metadata has any that can be read before it.
        """
        return (
            bool(self.settings.upstream_licenses)
            and file.core_metadata is not None
            and file.filename not in self.licenses
            and self._rule(self._version(file)) is None
        )

    def _under_another_license(self, file: PageFile) -> Refused | None:
        expression = self.licenses.get(file.filename)
        if expression is None:  # whoever sends the file looks; of others nobody can say
            return self.under_another_license(file, "") if file.core_metadata is None else None
        return self.under_another_license(file, expression)

    def _version(self, file: PageFile) -> Version | None:
        return version_in(file.filename, self.project) if self._needs_versions else None

    def under_another_license(self, file: PageFile, expression: str) -> Refused | None:
        """Why a file under this licence is not let in, where nothing but its licence counts.

        Args:
            file: which.
            expression: as :func:`upstream_licenses.expression_of` gives it; empty where the
                metadata says none.
        """
        allowed = self.settings.upstream_licenses
        if not allowed:
            return None
        named = ", ".join(allowed[:_MOST_NAMED]) + (" …" if len(allowed) > _MOST_NAMED else "")
        under = f"this index lets files in from {self.upstream} under {named}"
        if not expression:
            if self.settings.upstream_unknown_licenses == "allow":
                return None
            return self._refused(Why.LICENSE, file, f"says no licence that can be read: {under}")
        if upstream_licenses.is_allowed(expression, allowed):
            return None
        return self._refused(Why.LICENSE, file, f"is under {expression}: {under}")

    def _refused(self, why: Why, file: PageFile, what: str, then: str = _CAN_LET_IN) -> Refused:
        version = version_in(file.filename, self.project)
        called = f"{self.project} {version}" if version is not None else file.filename
        end = "" if what.endswith(("!", "?")) else "."
        return Refused(why, f"{called} {what}{end} {then}")


def load(uow: UnitOfWork, upstream: str, project: str) -> Policy:
    """What is asked of the files of a project of an upstream, as the database has it now.

    It takes one query, and another one where licences count.

    Args:
        uow: what to look into.
        upstream: its name in the settings.
        project: the normalized name.
    """
    asked = uow.settings
    licenses = upstream_licenses.known(uow, upstream, project) if asked.upstream_licenses else {}
    return Policy(
        upstream,
        project,
        asked,
        tuple(each for each in asked.upstream_deny if each.is_about(project)),
        tuple(each for each in asked.upstream_allow if each.is_about(project)),
        _rules(uow, project),
        licenses,
        uow.now,
    )


def judge(uow: UnitOfWork, upstream: str, page: ProjectPage) -> Mapping[str, str]:
    """The files of a page that are not let in, by name, with what is said to whoever asks."""
    found = load(uow, upstream, page.name).judged(page)
    return {filename: refused.sentence for filename, refused in found.items()}


def _rules(uow: UnitOfWork, project: str) -> tuple[HeldRule, ...]:
    rows = uow.db.execute(
        select(
            UpstreamRule.kind,
            UpstreamRule.project,
            UpstreamRule.specifier,
            UpstreamRule.reason,
            UpstreamRule.until,
        )
        .where(or_(UpstreamRule.project == project, UpstreamRule.project.contains("*")))
        .where(or_(UpstreamRule.until.is_(None), UpstreamRule.until >= uow.now.date()))
        .order_by(UpstreamRule.id)
    )
    rules = (
        HeldRule(RuleKind(kind), Selection(pattern, specifier), reason, f"{until or ''}")
        for kind, pattern, specifier, reason, until in rows
    )
    return tuple(rule for rule in rules if rule.selection.is_about(project))


def _ago(age: timedelta) -> str:
    if age < _HOUR:
        return "less than an hour ago"
    return (
        f"{_whole(age, _DAY, 'day')} ago"
        if age >= 2 * _DAY
        else f"{_whole(age, _HOUR, 'hour')} ago"
    )


def _length(length: timedelta) -> str:
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (timedelta(minutes=1), "minute")):
        if length >= unit and not length % unit:
            return _whole(length, unit, name)
    return _whole(length, timedelta(seconds=1), "second")


def _whole(length: timedelta, unit: timedelta, name: str) -> str:
    count = length // unit
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
