"""The forms of webhooks. What they ask for is judged by the registry."""

from enum import StrEnum

from wtforms import Form, IntegerField, SelectField, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Length, NumberRange

from greenroom.models import WebhookFormat
from greenroom.registry.webhook_events import CHOICES
from greenroom.registry.webhooks import LONGEST_NAME, LONGEST_TOKEN, Wanted
from greenroom.web.pages.confirmation import AS_TYPED
from greenroom.webhook_client import LONGEST_URL

FORMATS = {
    WebhookFormat.JSON: "JSON, signed, for programs",
    WebhookFormat.SLACK: "A line for a room of Slack, or of what takes the same",
    WebhookFormat.MATRIX: "A line for a room of Matrix",
}
_LARGEST_ID = 2**31 - 1


class WebhookForm(Form):
    """What a webhook is to be."""

    label = StringField(
        "Name",
        [InputRequired("Give it a name."), Length(max=LONGEST_NAME)],
        description="So that you can tell it from others.",
        render_kw=AS_TYPED,
    )
    url = StringField(
        "Address",
        [Length(max=LONGEST_URL)],
        description="Where messages go: https://… It is shown to nobody afterwards.",
        render_kw={**AS_TYPED, "inputmode": "url"},
    )
    format = SelectField("Form", choices=list(WebhookFormat))
    token = StringField(
        "Access token",
        [Length(max=LONGEST_TOKEN)],
        description="For a room of Matrix: of the account that writes there.",
        render_kw=AS_TYPED,
    )
    events = SelectMultipleField("Events", choices=list(CHOICES))  # type: ignore[arg-type]

    @property
    def wanted(self) -> Wanted:
        """What was entered."""
        return Wanted(
            self.label.data or "",
            self.url.data or "",
            str(self.format.data),
            self.events.data or [],
            self.token.data or "",
        )


class DeliveryForm(Form):
    """Which message."""

    delivery = IntegerField("Message", [InputRequired(), NumberRange(1, _LARGEST_ID)])


class Switch(StrEnum):
    """What a webhook can be switched to."""

    ON = "on"
    OFF = "off"


class SwitchForm(Form):
    """On or off."""

    to = SelectField("To", choices=list(Switch))
