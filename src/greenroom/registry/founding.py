"""What a workflow that has brought a project into being is to it from then on."""

from collections.abc import Iterable

from greenroom.models import MintedGrant, PendingPublisher, Project, ProjectPublisher
from greenroom.registry.unit_of_work import UnitOfWork


def trust(
    uow: UnitOfWork, token_id: int, pending: Iterable[int], project: Project, added_by: str
) -> None:
    """Let the project trust the workflows that were to register its name, and the token that did.

    What was only to register it stays until the project is registered for good: where its first
    draft is discarded, the next one may try again.
    """
    for number in pending:
        waiting = uow.db.get(PendingPublisher, number)
        if waiting is None:
            continue
        publisher = ProjectPublisher(
            project_id=project.id,
            added_by=added_by,
            service=waiting.service,
            issuer=waiting.issuer,
            subject=waiting.subject,
            conditions=dict(waiting.conditions),
            owner_number=waiting.owner_number,
            may_publish=waiting.may_publish,
            created=uow.now,
            last_used=uow.now,
        )
        uow.db.add(publisher)
        uow.db.flush()
        uow.db.add(MintedGrant(token_id=token_id, publisher_id=publisher.id))
    uow.db.flush()
