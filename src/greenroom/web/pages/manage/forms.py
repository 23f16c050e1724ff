"""The forms of the manage pages. What they ask for is judged by the registry."""

from wtforms import BooleanField, Form, SelectField, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from greenroom.models import RoleName
from greenroom.registry.projects import LONGEST_REASON

_AS_TYPED = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class RoleForm(Form):
    """A person, and what the person is to be."""

    username = StringField(
        "User name", [InputRequired("Enter a user name."), Length(max=255)], render_kw=_AS_TYPED
    )
    role = SelectField("Role", choices=list(RoleName))


class SettingsForm(Form):
    """What an owner can set."""

    auto_publish_releases = BooleanField("Publish uploads directly")


class ConfirmForm(Form):
    """Something that has to be typed before it is done. ``expected`` is what."""

    typed = StringField(
        "", [InputRequired("Type it to confirm."), Length(max=255)], render_kw=_AS_TYPED
    )
    expected = ""

    def validate_typed(self, field: StringField) -> None:
        """Compare what was typed, in any letter case."""
        if (field.data or "").strip().lower() != self.expected.lower():
            raise ValidationError(f"That is not {self.expected}: nothing was done.")


class RemoveRoleForm(ConfirmForm):
    """Whose role, and the name typed."""

    user = StringField("User", [InputRequired(), Length(max=255)])


class ReasonForm(ConfirmForm):
    """Why, and something typed."""

    reason = StringField(
        "Reason",
        [Length(max=LONGEST_REASON)],
        description="One line that everybody can read. It may stay empty.",
    )


class PublishForm(Form):
    """What was looked at."""

    content_digest = StringField("Content", [InputRequired(), Length(max=255)])


class FileForm(Form):
    """Which file."""

    filename = StringField("File", [InputRequired(), Length(max=255)])


class ConfirmFileForm(ConfirmForm, FileForm):
    """Which file, and its name typed."""


class YankFileForm(ReasonForm, FileForm):
    """Which file, why, and its name typed."""
