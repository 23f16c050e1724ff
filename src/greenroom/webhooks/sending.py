"""Sending webhooks: what the job of a receiver does."""

import structlog

from greenroom import webhook_client
from greenroom.models.base import JSONObject
from greenroom.registry import webhook_deliveries
from greenroom.registry.unit_of_work import Services
from greenroom.registry.webhook_deliveries import MOST_AT_ONCE, Outcome, Outgoing
from greenroom.webhook_client import WebhookFailed
from greenroom.webhooks import messages

log = structlog.get_logger("greenroom.webhooks")


def send(services: Services, payload: JSONObject) -> None:
    """Send to a receiver what waits for it, one message after the other.

    What is to be tried again has another job by then. A process that is killed after the receiver
    took a message sends it again, by the same name.
    """
    number = payload.get("webhook")
    if not isinstance(number, int) or not webhook_deliveries.take(services, number):
        return
    is_whole = False
    try:
        _work_off(services, number)
        is_whole = True
    finally:
        # What has failed otherwise is tried again as this job is.
        webhook_deliveries.leave(services, number, goes_on=is_whole)


def _work_off(services: Services, number: int) -> None:
    for _ in range(MOST_AT_ONCE):
        outgoing = webhook_deliveries.next_of(services, number)
        if outgoing is None:
            return
        outcome = _sent(services, outgoing)
        if not webhook_deliveries.record(services, outgoing, outcome):
            return


def _sent(services: Services, outgoing: Outgoing) -> Outcome:
    """What came of it; nothing is open in the database meanwhile."""
    message = messages.message(services.settings, outgoing)
    try:
        answer = webhook_client.send(
            message.method,
            message.url,
            message.headers,
            message.body,
            services.settings.webhook_networks,
        )
        outcome = Outcome(answer.status, answer.text, wait=answer.wait)
    except WebhookFailed as failure:
        outcome = Outcome(error=str(failure))
    log.info(
        "webhook",
        webhook=outgoing.webhook,
        delivery=outgoing.id,
        event_name=outgoing.event,
        status=outcome.status,
        reason=outcome.error or None,
    )
    return outcome
