"""The forms of the manage pages. What they ask for is judged by the registry."""

from enum import StrEnum

from wtforms import (
    BooleanField,
    Form,
    HiddenField,
    IntegerField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange

from greenroom.distributions.review import Code
from greenroom.models import CheckStatus, RoleName, Visibility
from greenroom.models.base import LARGEST_ID
from greenroom.registry import draft_comments
from greenroom.registry.draft_checks import LONGEST_LINK, LONGEST_SUMMARY
from greenroom.registry.reasons import LONGEST_REASON
from greenroom.registry.required_checks import LONGEST_NAME
from greenroom.registry.silenced_findings import LONGEST_PATTERN
from greenroom.web.pages.confirmation import AS_TYPED, ConfirmForm


class InviteForm(Form):
    """A person, and what the person is to be."""

    username = StringField(
        "User name", [InputRequired("Enter a user name."), Length(max=255)], render_kw=AS_TYPED
    )
    role = SelectField("Role", choices=list(RoleName))


class InviteTeamForm(Form):
    """A team, and what its members are to be."""

    team = StringField(
        "Team", [InputRequired("Enter the name of a team."), Length(max=255)], render_kw=AS_TYPED
    )
    role = SelectField("Role", choices=list(RoleName), id="team-role")


class InvitationForm(Form):
    """Which invitation."""

    invitation = IntegerField("Invitation", [InputRequired(), NumberRange(1, LARGEST_ID)])


class PersonForm(Form):
    """Whose role."""

    user = StringField("User", [InputRequired(), Length(max=255)])


class SettingsForm(Form):
    """What an owner can set."""

    auto_publish_releases = BooleanField("Publish uploads directly")
    reauthenticate_to_publish = BooleanField("Confirm who publishes")


class RemoveRoleForm(ConfirmForm):
    """Whose role, and the name typed."""

    user = StringField("User", [InputRequired(), Length(max=255)])


class RemoveTeamForm(ConfirmForm):
    """Which team's role, and the name typed."""

    team = StringField("Team", [InputRequired(), Length(max=255)])


class Receiver(StrEnum):
    """To what a project is handed over."""

    PERSON = "person"
    TEAM = "team"


class Afterwards(StrEnum):
    """What becomes of who hands a project over."""

    LEAVE = "leave"
    MAINTAINER = "maintainer"


class HandOverForm(ConfirmForm):
    """To whom a project is handed over, what one is afterwards, and the project's name typed."""

    receiver = SelectField("To", choices=list(Receiver))
    name = StringField(
        "Name",
        [InputRequired("Enter who is to have the project."), Length(max=255)],
        description="The user name of a person, or the name of a team.",
        render_kw=AS_TYPED,
    )
    afterwards = SelectField("Afterwards you", choices=list(Afterwards))


class RemovePublisherForm(ConfirmForm):
    """Which workflow, and the name typed."""

    publisher = StringField("Workflow", [InputRequired(), Length(max=20)])


class ReasonForm(ConfirmForm):
    """Why, and something typed."""

    reason = StringField(
        "Reason",
        [Length(max=LONGEST_REASON)],
        description="One line that everybody can read. It may stay empty.",
    )


class QuarantineForm(ConfirmForm):
    """Why nobody gets the project, and its name typed."""

    reason = StringField(
        "Reason",
        [InputRequired("Give a reason."), Length(max=LONGEST_REASON)],
        description="One line that everybody can read, and the audit log keeps.",
    )


class EndTokenForm(Form):
    """Which API token."""

    token = IntegerField("Token", [InputRequired(), NumberRange(1, LARGEST_ID)])


class VisibilityForm(ConfirmForm):
    """Whom a project is to be open to, and its name typed."""

    visibility = SelectField("Who may read it", choices=list(Visibility))


class CheckForm(Form):
    """What somebody has found out about the files of a draft."""

    name = StringField(
        "Check",
        [InputRequired("Say what you have checked."), Length(max=LONGEST_NAME)],
        description="The same name each time: its newest result counts.",
        id="check-name",
    )
    status = SelectField("Result", choices=list(CheckStatus), id="check-status")
    summary = TextAreaField(
        "Summary",
        [Length(max=LONGEST_SUMMARY)],
        description="Plain text, such as “I tried it on Debian with Python 3.13.”",
        id="check-summary",
    )
    link = StringField(
        "Link",
        [Length(max=LONGEST_LINK)],
        description="Where there is more of it. It may stay empty.",
        render_kw=AS_TYPED,
        id="check-link",
    )
    content_digest = HiddenField("Content", [Length(max=255)], id="check-content-digest")


class RequiredChecksForm(Form):
    """Without which checks no draft is published."""

    required = TextAreaField(
        "Names, one a line",
        description="As they are posted. While there are any, uploads go through a draft. "
        "index:installed is the check that this index makes itself: an installer took a file from "
        "the address of the draft.",
        render_kw=AS_TYPED,
        id="required-checks",
    )


class CommentForm(Form):
    """What somebody says of a draft."""

    text = TextAreaField(
        "Comment",
        [InputRequired("Write a comment."), Length(max=draft_comments.LONGEST)],
        description="In Markdown. Those who work on the project see it, and nobody else.",
        id="comment-text",
    )


class CommentNumberForm(Form):
    """Which comment."""

    comment = IntegerField("Comment", [InputRequired(), NumberRange(1, LARGEST_ID)])


class ExpectedFilesForm(Form):
    """Which files every release of a project has, a line each."""

    expected_files = TextAreaField(
        "Every release has",
        description="A line each, such as: sdist; any; manylinux x86_64 cp311-cp314; macos arm64 "
        "cp39 abi3. A draft that lacks one of them is not published, and new releases go through "
        "drafts. Empty: nothing is expected.",
        render_kw={"rows": 6, "spellcheck": "false", **AS_TYPED},
    )


class SilenceForm(Form):
    """Which finding is not to be told of any more, and why."""

    code = SelectField("Finding", choices=list(Code))
    pattern = StringField(
        "Where",
        [Length(max=LONGEST_PATTERN)],
        description="A pattern for the paths of members, with * and ?, such as */tests/*.pem. "
        "Where a finding has no path, for its text. Empty: everywhere.",
        render_kw=AS_TYPED,
    )
    reason = StringField(
        "Reason",
        [Length(max=LONGEST_REASON)],
        description="One line, which is shown to who reads the review, and recorded.",
    )


class UnsilenceForm(Form):
    """Which finding is told of again."""

    silence = IntegerField("Finding", [InputRequired(), NumberRange(1, LARGEST_ID)])


class PublishForm(Form):
    """What was looked at."""

    content_digest = StringField("Content", [InputRequired(), Length(max=255)])


class SetForm(Form):
    """What a release set is to be called."""

    name = StringField(
        "Name",
        [InputRequired("Enter a name, such as 2026.11."), Length(max=255)],
        description="Letters, digits, and inner dots, hyphens and underscores.",
        render_kw=AS_TYPED,
    )


class SetSettingsForm(SetForm):
    """What can be set of a release set."""

    only_together = BooleanField("Publish its drafts together only")


class AddToSetForm(Form):
    """Which draft: ``PROJECT==VERSION``."""

    draft = StringField("Draft", [InputRequired(), Length(max=600)])


class OfSetForm(Form):
    """Which draft of a set."""

    project = StringField("Project", [InputRequired(), Length(max=255)])
    version = StringField("Version", [InputRequired(), Length(max=255)])


class ToSetForm(Form):
    """Into which set, by its name or its owner and its name."""

    release_set = StringField(
        "Release set",
        [InputRequired("Enter the name of a release set."), Length(max=255)],
        description="One of yours, which is made where it is new; or OWNER/NAME.",
        render_kw=AS_TYPED,
    )


class InviteProjectForm(Form):
    """Which project may add drafts to a set."""

    project = StringField(
        "Project",
        [InputRequired("Enter the name of a project."), Length(max=255)],
        render_kw=AS_TYPED,
    )


class DiscardSetForm(ConfirmForm):
    """The name typed, and whether the drafts go as well."""

    with_drafts = BooleanField("Discard its drafts, too")


class FileForm(Form):
    """Which file."""

    filename = StringField("File", [InputRequired(), Length(max=255)])


class ConfirmFileForm(ConfirmForm, FileForm):
    """Which file, and its name typed."""


class YankFileForm(ReasonForm, FileForm):
    """Which file, why, and its name typed."""
