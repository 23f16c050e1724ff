"""The forms of the account pages. What they ask for is judged by the registry."""

from datetime import timedelta
from enum import StrEnum

from wtforms import (
    BooleanField,
    Form,
    HiddenField,
    IntegerField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length, NumberRange, ValidationError

from greenroom.models.base import LARGEST_ID
from greenroom.registry.notices import CHOICES
from greenroom.registry.passwords import LONGEST_PASSWORD, SHORTEST_PASSWORD
from greenroom.registry.permissions import DEFAULT_TOKEN_PERMISSIONS, Act
from greenroom.registry.second_factors import LONGEST_NAME
from greenroom.registry.tokens import DEFAULT_LIFETIME, LONGEST_LABEL
from greenroom.web.pages.confirmation import AS_TYPED, ConfirmForm

ALL_PROJECTS = ""

PERMISSIONS = (
    (Act.READ, "Read", "Install what you may read, where this index asks who reads."),
    (Act.STAGE, "Stage", "Open drafts, upload files to them, remove files, extend them."),
    (Act.PUBLISH, "Publish", "Make drafts public. With Stage: also upload without a draft."),
    (Act.DISCARD, "Discard", "Throw drafts away."),
    (Act.MANAGE, "Manage", "Change roles and settings of projects."),
)

LIFETIMES = (
    ("1", "1 day"),
    ("7", "7 days"),
    ("30", "30 days"),
    ("90", "90 days"),
    ("365", "365 days"),
    ("never", "No expiry"),
)

_WHAT_DOES = (
    f"At least {SHORTEST_PASSWORD} characters that are hard to guess, such as four words that do "
    "not belong together."
)


class Place(StrEnum):
    """What somebody is in a team."""

    MEMBER = "member"
    OWNER = "owner"


class SignInForm(Form):
    """Name and password."""

    username = StringField(
        "User name",
        [InputRequired("Enter your user name."), Length(max=255)],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    password = PasswordField(
        "Password",
        [InputRequired("Enter your password."), Length(max=LONGEST_PASSWORD)],
        render_kw={"autocomplete": "current-password"},
    )


class AcceptForm(Form):
    """A new account of somebody whose address is known."""

    username = StringField(
        "User name",
        [InputRequired("Choose a user name."), Length(max=255)],
        description="Letters, digits, and . _ - between them. Everybody can see it.",
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    password = PasswordField(
        "Password",
        [InputRequired("Choose a password."), Length(max=LONGEST_PASSWORD)],
        description=_WHAT_DOES,
        render_kw={"autocomplete": "new-password"},
    )


class RegisterForm(AcceptForm):
    """A new account."""

    email = StringField(
        "E-mail address",
        [InputRequired("Enter your e-mail address."), Length(max=255)],
        description="Shown to nobody but the administrators of this index.",
        render_kw={"type": "email", "autocomplete": "email"},
    )


class ChangePasswordForm(Form):
    """The password that was, and the one that is to be."""

    current = PasswordField(
        "Current password",
        [InputRequired("Enter your current password."), Length(max=LONGEST_PASSWORD)],
        render_kw={"autocomplete": "current-password"},
    )
    new = PasswordField(
        "New password",
        [InputRequired("Choose a new password."), Length(max=LONGEST_PASSWORD)],
        description=_WHAT_DOES,
        render_kw={"autocomplete": "new-password"},
    )


class NewPasswordForm(Form):
    """A password that takes the place of one that nobody has to give."""

    password = PasswordField(
        "New password",
        [InputRequired("Choose a new password."), Length(max=LONGEST_PASSWORD)],
        description=f"At least {SHORTEST_PASSWORD} characters.",
        render_kw={"autocomplete": "new-password"},
    )


class EmailForm(Form):
    """Another e-mail address."""

    email = StringField(
        "New e-mail address",
        [InputRequired("Enter your e-mail address."), Length(max=255)],
        render_kw={"type": "email", "autocomplete": "email"},
    )
    current = PasswordField(
        "Current password",
        [InputRequired("Enter your current password."), Length(max=LONGEST_PASSWORD)],
        render_kw={"autocomplete": "current-password"},
    )


class ForgottenForm(Form):
    """Whose password is to be another one."""

    who = StringField(
        "User name or e-mail address",
        [InputRequired("Enter your user name or your e-mail address."), Length(max=255)],
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )


class NotificationsForm(Form):
    """What one is told of by mail; nothing of it has to be chosen."""

    wanted = SelectMultipleField(
        "Tell me by mail",
        # The stubs know pairs alone, which WTForms gives up; the template has the words.
        choices=[category.value for category in CHOICES],  # type: ignore[misc]
    )


class TokenForm(Form):
    """A new API token. The choices of ``project`` are set by whoever makes the form."""

    label = StringField(
        "Name",
        [InputRequired("Give the token a name."), Length(max=LONGEST_LABEL)],
        description="What it is for, such as “CI of the docs”.",
        render_kw={"autocomplete": "off"},
    )
    project = SelectField("Project", description="What the token can be used for.")
    permissions = SelectMultipleField(
        "Permissions",
        [InputRequired("Choose at least one permission.")],
        # The stubs know pairs alone, which WTForms gives up; the template has the words.
        choices=[act.value for act, _, _ in PERMISSIONS],  # type: ignore[misc]
        default=[act.value for act in DEFAULT_TOKEN_PERMISSIONS],
    )
    lifetime = SelectField(
        "Expires after",
        choices=[value for value, _ in LIFETIMES],  # type: ignore[misc]
        default=str(DEFAULT_LIFETIME.days),
    )

    @property
    def expires_in(self) -> timedelta | None:
        """How long the token is to live, None for ever."""
        chosen = str(self.lifetime.data)
        return None if chosen == "never" else timedelta(days=int(chosen))


class AuthenticateForm(Form):
    """The password, once more."""

    password = PasswordField(
        "Password",
        [InputRequired("Enter your password."), Length(max=LONGEST_PASSWORD)],
        render_kw={"autocomplete": "current-password"},
    )


class ShowFactorForm(Form):
    """A code, or what a passkey has answered."""

    code = StringField(
        "Code",
        [Length(max=100)],
        description="Six digits from your authenticator app, or one of your recovery codes.",
        render_kw={
            "autocomplete": "one-time-code",
            "autocapitalize": "none",
            "spellcheck": "false",
        },
    )
    credential = HiddenField("Passkey")

    def validate_code(self, field: StringField) -> None:
        """Ask for one of the two."""
        if not (field.data or self.credential.data):
            raise ValidationError("Enter a code.")


class NewFactorForm(Form):
    """What a second factor is to be called."""

    name = StringField(
        "Name",
        [InputRequired("Give it a name."), Length(max=LONGEST_NAME)],
        description="By which you tell it from others, such as “Phone”.",
        render_kw={"autocomplete": "off"},
    )


class NewAppForm(NewFactorForm):
    """An authenticator app, that has shown a code. ``sealed`` is the secret, encrypted."""

    sealed = HiddenField("Secret", [InputRequired()])
    code = StringField(
        "Code",
        [InputRequired("Enter the code that the app shows."), Length(max=20)],
        description="The six digits that the app shows now.",
        render_kw={"autocomplete": "one-time-code", "inputmode": "numeric"},
    )


class NewPasskeyForm(NewFactorForm):
    """A passkey that the browser has made."""

    credential = HiddenField("Passkey", [InputRequired("The browser has made no passkey.")])


class FactorForm(Form):
    """Which second factor."""

    factor = IntegerField("Second factor", [InputRequired(), NumberRange(1, LARGEST_ID)])


class RenameFactorForm(FactorForm, NewFactorForm):
    """Which second factor, and its new name."""


class EndSessionForm(Form):
    """Which session."""

    session = IntegerField("Session", [InputRequired(), NumberRange(1, LARGEST_ID)])


class RevokeAllForm(Form):
    """The name of the account, typed. ``expected`` is what."""

    typed = StringField(
        "User name",
        [InputRequired("Type it to confirm."), Length(max=255)],
        render_kw={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"},
    )
    expected = ""

    def validate_typed(self, field: StringField) -> None:
        """Compare what was typed, in any letter case."""
        if (field.data or "").strip().lower() != self.expected.lower():
            raise ValidationError(f"That is not {self.expected}: nothing was done.")


class RevokeForm(Form):
    """Which token."""

    token = IntegerField("Token", [InputRequired(), NumberRange(1, LARGEST_ID)])


class TeamForm(Form):
    """A new team."""

    name = StringField(
        "Name",
        [InputRequired("Give the team a name."), Length(max=255)],
        description="Letters, digits, and . _ - between them.",
        render_kw=AS_TYPED,
    )


class InviteToTeamForm(Form):
    """A person, and what they are to be in a team."""

    username = StringField(
        "User name", [InputRequired("Enter a user name."), Length(max=255)], render_kw=AS_TYPED
    )
    role = SelectField("Role", choices=list(Place))


class MemberForm(Form):
    """A member of a team, and what they are to be."""

    user = StringField("User", [InputRequired(), Length(max=255)])
    role = SelectField("Role", choices=list(Place))


class ShownForm(Form):
    """Whether a profile shows the projects of a team."""

    shown = BooleanField("Show the projects of this team on my profile, also those that it gets")


class AnswerForm(ShownForm):
    """Which invitation, and what is to be shown of a team."""

    invitation = IntegerField("Invitation", [InputRequired(), NumberRange(1, LARGEST_ID)])


class RemoveMemberForm(ConfirmForm):
    """Who is to leave a team, and the name typed."""

    user = StringField("User", [InputRequired(), Length(max=255)])


class LeaveProjectForm(ConfirmForm):
    """Which project a team is to leave, and its name typed."""

    project = StringField("Project", [InputRequired(), Length(max=255)])
