"""The form with which a project is reported."""

from wtforms import Form, SelectField, TextAreaField
from wtforms.validators import InputRequired, Length

from greenroom.models import ReportKind
from greenroom.registry.reports import LONGEST_TEXT

KINDS = (
    (ReportKind.MALWARE, "It does harm (malware)"),
    (ReportKind.SPAM, "It is spam"),
    (ReportKind.NAME_DISPUTE, "Its name belongs to somebody else"),
    (ReportKind.OTHER, "Something else"),
)


class ReportForm(Form):
    """What a project is reported for."""

    # The stubs know pairs alone, which WTForms gives up; the template has the words.
    kind = SelectField("What is wrong?", choices=[kind.value for kind, _ in KINDS])  # type: ignore[misc]
    text = TextAreaField(
        "Tell us more",
        [InputRequired("Say what is wrong."), Length(max=LONGEST_TEXT)],
        description="Which file, where to look, how to reach you. The administrators read it.",
        render_kw={"rows": "6"},
    )
