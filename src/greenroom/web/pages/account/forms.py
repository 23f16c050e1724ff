"""The forms of the account pages. What they ask for is judged by the registry."""

from datetime import timedelta

from wtforms import (
    Form,
    IntegerField,
    PasswordField,
    SelectField,
    SelectMultipleField,
    StringField,
)
from wtforms.validators import InputRequired, Length, NumberRange

from greenroom.registry.accounts import LONGEST_LABEL, LONGEST_PASSWORD, SHORTEST_PASSWORD
from greenroom.registry.permissions import DEFAULT_TOKEN_PERMISSIONS, Act

ALL_PROJECTS = ""

PERMISSIONS = (
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

_LARGEST_ID = 2**31 - 1


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


class RegisterForm(Form):
    """A new account."""

    username = StringField(
        "User name",
        [InputRequired("Choose a user name."), Length(max=255)],
        description="Letters, digits, and . _ - between them. Everybody can see it.",
        render_kw={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"},
    )
    email = StringField(
        "E-mail address",
        [InputRequired("Enter your e-mail address."), Length(max=255)],
        description="Shown to nobody but the administrators of this index.",
        render_kw={"type": "email", "autocomplete": "email"},
    )
    password = PasswordField(
        "Password",
        [InputRequired("Choose a password."), Length(max=LONGEST_PASSWORD)],
        description=f"At least {SHORTEST_PASSWORD} characters.",
        render_kw={"autocomplete": "new-password"},
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
        description=f"At least {SHORTEST_PASSWORD} characters.",
        render_kw={"autocomplete": "new-password"},
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
        default="90",
    )

    @property
    def expires_in(self) -> timedelta | None:
        """How long the token is to live, None for ever."""
        chosen = str(self.lifetime.data)
        return None if chosen == "never" else timedelta(days=int(chosen))


class RevokeForm(Form):
    """Which token."""

    token = IntegerField("Token", [InputRequired(), NumberRange(1, _LARGEST_ID)])
