"""The form for a workflow that is to be trusted: its fields are those of the service it runs at."""

from collections.abc import Mapping

from pyramid.httpexceptions import HTTPNotFound
from wtforms import Field, Form, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, NumberRange

from greenroom.models.base import LARGEST_ID
from greenroom.registry import trusted_publishers
from greenroom.registry.errors import InvalidRequest
from greenroom.registry.workflows import LONGEST_VALUE, Service
from greenroom.web.http.request import Request
from greenroom.web.http.strict_forms import query_value

_AS_TYPED = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
_STAGE, _PUBLISH = "stage", "publish"
RIGHTS = {
    _STAGE: "Stage; a person publishes",
    _PUBLISH: "Stage and publish",
}


class PublisherForm(Form):
    """A workflow. The fields of its service are made by :func:`publisher_form`."""

    rights = SelectField(
        "What it may do",
        # The stubs know pairs alone, which WTForms gives up; the template has the words.
        choices=list(RIGHTS),  # type: ignore[arg-type]
        default=_STAGE,
    )
    own: Mapping[str, str] = {}
    """The names of the service's fields, by what they are called in the form."""

    @property
    def may_publish(self) -> bool:
        """Whether it may do more than stage."""
        return bool(self.rights.data == _PUBLISH)

    @property
    def values(self) -> dict[str, str]:
        """What the form says of the workflow."""
        return {name: str(self[key].data or "") for key, name in self.own.items()}

    @property
    def of_service(self) -> list[Field]:
        """The fields of the service, in its order."""
        return [self[key] for key in self.own]


class ProjectNameForm(PublisherForm):
    """A workflow, and which name it may register."""

    project_name = StringField(
        "Name of the project",
        [InputRequired("Enter the name of the project."), Length(max=255)],
        description="The name is free for others until the first upload comes.",
        render_kw=_AS_TYPED,
    )


class WhichForm(Form):
    """Which of the workflows."""

    publisher = IntegerField("Workflow", [InputRequired(), NumberRange(1, LARGEST_ID)])


def chosen_service(request: Request) -> Service | None:
    """The service that the address asks for, or the first one; None where there is none.

    Raises:
        HTTPNotFound: there is no such service.
    """
    services = trusted_publishers.services_of(request.services.settings)
    name = query_value(request, "service")
    if name is None:
        return services[0] if services else None
    try:
        return trusted_publishers.service_named(request.services.settings, name)
    except InvalidRequest as refusal:
        raise HTTPNotFound(str(refusal)) from None


def publisher_form(request: Request, service: Service, *, named: bool = False) -> PublisherForm:
    """The form for a workflow of this service, with what was sent; ``named``: with a name, too."""
    own = {f"of-{number}": field.name for number, field in enumerate(service.fields)}
    fields = {
        key: StringField(
            field.label if field.required else f"{field.label} (optional)",
            [Length(max=LONGEST_VALUE)],
            description=f"{field.hint[:1].upper()}{field.hint[1:]}.",
            render_kw=_AS_TYPED,
        )
        for key, field in zip(own, service.fields, strict=True)
    }
    kind = ProjectNameForm if named else PublisherForm
    made: type[PublisherForm] = type(kind.__name__, (kind,), {**fields, "own": own})
    return made(request.POST if request.method == "POST" else None)


def service_choices(request: Request) -> list[dict[str, str]]:
    """The services that can be chosen: each with its name, what it is called, and its issuer."""
    return [
        {"name": service.issuer.name, "title": service.title, "issuer": service.issuer.url}
        for service in trusted_publishers.services_of(request.services.settings)
    ]
