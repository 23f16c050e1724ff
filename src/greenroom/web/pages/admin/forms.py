"""Forms of the administrators' page."""

from wtforms import Form, IntegerField
from wtforms.validators import InputRequired, NumberRange

# What a primary key can be; PostgreSQL cannot be asked for more.
_LARGEST_ID = 2**31 - 1


class RetryForm(Form):
    """Which job."""

    job = IntegerField("Job", [InputRequired(), NumberRange(1, _LARGEST_ID)])


class VerifyForm(Form):
    """Which user."""

    user = IntegerField("User", [InputRequired(), NumberRange(1, _LARGEST_ID)])
