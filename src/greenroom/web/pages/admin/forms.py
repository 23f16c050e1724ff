"""Forms of the administrators' pages."""

from wtforms import DateField, Form, SelectField, StringField
from wtforms.validators import InputRequired, Length
from wtforms.validators import Optional as MayBeEmpty

from greenroom.models import RuleKind
from greenroom.registry.reasons import LONGEST_REASON
from greenroom.web.pages.confirmation import AS_TYPED, ConfirmForm


class ReasonForm(Form):
    """Why."""

    reason = StringField(
        "Reason",
        [InputRequired("Give a reason."), Length(max=LONGEST_REASON)],
        description="One line, which the audit log keeps.",
        render_kw={"autocomplete": "off"},
    )


class TypedReasonForm(ConfirmForm, ReasonForm):
    """Why, and something typed."""


class InviteForm(ReasonForm):
    """Who is invited, and why."""

    email = StringField(
        "E-mail address",
        [InputRequired("Enter an e-mail address."), Length(max=255)],
        render_kw={"type": "email", "autocomplete": "off"},
    )


class NameForm(ReasonForm):
    """A name that nobody is to register, and why."""

    name = StringField(
        "Name or pattern",
        [InputRequired("Enter a name."), Length(max=255)],
        description="With all that looks like it. “*” stands for any text: “acme-*”.",
        render_kw=AS_TYPED,
    )


class AdoptForm(TypedReasonForm):
    """Whose a project is to be that is adopted, and why."""

    owner = StringField(
        "Owner",
        [InputRequired("Enter a user name."), Length(max=255)],
        description="Whose project it is to be here; of one that was adopted before it stays.",
        render_kw=AS_TYPED,
    )


class QuotaForm(ReasonForm):
    """How large a project may be, and why."""

    quota = StringField(
        "Quota",
        [Length(max=40)],
        description="Such as 500MiB or 20GiB. Empty: as the setting of the index says.",
        render_kw=AS_TYPED,
    )


class TransferForm(TypedReasonForm):
    """Who is to own a project, and why; its name typed."""

    username = StringField(
        "User name of the new owner",
        [InputRequired("Enter a user name."), Length(max=255)],
        render_kw=AS_TYPED,
    )


class UpstreamRuleForm(ReasonForm):
    """What of upstreams is let in or denied, until when, and why."""

    kind = SelectField("What it does", choices=list(RuleKind))
    about = StringField(
        "Project and versions",
        [InputRequired("Enter the name of a project."), Length(max=400)],
        description="“requests”, “requests>=2,<3”, or “acme-*”, where “*” stands for any text.",
        render_kw=AS_TYPED,
    )
    until = DateField(
        "Until",
        [MayBeEmpty()],
        description="The last day, of UTC, on which it holds. Empty: for ever.",
    )
