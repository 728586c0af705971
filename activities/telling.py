"""One attempt to tell a subscriber, by whichever way it wants; and its owner, when that no longer works."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from activities import notifications
from activities.notifications import Sort
from channels import webhook
from channels.egress import Egress
from channels.ids import MessageIds
from channels.mail import Letter, Mail, Sent
from channels.webhook import Post, Posted
from records.deliveries import Event
from records.subscriptions import Subscription

FHIR_JSON = "application/fhir+json"
MAY_BE_TWO = 2
"""Mails of one event that may be on their way when nobody knows how the first attempt ended."""
OWNER_WORDS = """Continuum could not tell a system what it asked to be told.

Subscription: {id}
It stands: {status}
Why: {trouble}

What was not delivered is kept and numbered. Once the receiver is well again:
    continuum endpoints show {id}
    continuum endpoints enable {id}
    continuum endpoints replay {id} --since TIME
A FHIR client sets the status of its Subscription to requested, and fetches what it missed with $events.
"""


@dataclass(frozen=True)
class Teller:
    """Our ways out."""

    egress: Egress
    mail: Mail
    ids: MessageIds
    base_url: str
    alarm_address: str

    async def event(self, subscription: Subscription, event: Event) -> Posted:
        """Tell of an event. Never raises for what a receiver can do."""
        known = max(subscription.events, event.number)
        subscription = subscription.model_copy(update={"events": known})
        if subscription.kind == "email":
            subject, words = notifications.mail(subscription, event, self.base_url)
            sent = await self._mail(subscription, event.id, subject, words, event.at)
            if sent.outcome == "uncertain" and event.attempts + 1 >= MAY_BE_TWO:
                return Posted("delivered")
            return _as_posted(sent)
        if subscription.kind == "webhook":
            body = notifications.webhook(subscription, event, self.base_url)
            return await self._post(subscription, event.id, notifications.as_bytes(body), "application/json")
        bundle = notifications.notification(subscription, "event-notification", self.base_url, event.at, [event])
        return await self._post(subscription, event.id, notifications.as_bytes(bundle), FHIR_JSON)

    async def sign_of_life(self, subscription: Subscription, sort: Sort, message: str) -> Posted:
        """A handshake or a heartbeat."""
        now = datetime.now(UTC)
        if subscription.kind == "email":
            subject, words = notifications.mail(subscription, None, self.base_url)
            return _as_posted(await self._mail(subscription, message, subject, words, now))
        bundle = notifications.notification(subscription, sort, self.base_url, now)
        return await self._post(subscription, message, notifications.as_bytes(bundle), FHIR_JSON)

    async def owner(self, subscription: Subscription) -> bool:
        """Mail whoever owns a subscription, else our own operator, that it is in trouble. False: try again."""
        name = f"{subscription.id} {subscription.version} {subscription.events} {subscription.failing_since}"
        words = OWNER_WORDS.format(
            id=subscription.id, status=subscription.status, trouble=subscription.trouble or "it does not answer"
        )
        letter = Letter(
            message_id=self.ids.of(name),
            to=subscription.contact or self.alarm_address,
            subject="Continuum: a subscription is not delivered",
            body=words,
            date=datetime.now(UTC),
        )
        return (await self.mail.send(letter)).outcome != "later"

    async def _post(self, subscription: Subscription, message: str, body: bytes, media_type: str) -> Posted:
        post = Post(
            message=message,
            url=subscription.url,
            body=body,
            media_type=media_type,
            headers=subscription.headers,
            secrets=subscription.secrets,
            timeout_seconds=subscription.timeout_seconds,
        )
        return await webhook.send(self.egress, post)

    async def _mail(self, subscription: Subscription, message: str, subject: str, words: str, date: datetime) -> Sent:
        return await self.mail.send(
            Letter(
                message_id=self.ids.of(message),
                to=subscription.url.removeprefix("mailto:"),
                subject=subject,
                body=words,
                date=date,
            )
        )


def _as_posted(sent: Sent) -> Posted:
    if sent.outcome == "sent":
        return Posted("delivered")
    return Posted("refused" if sent.outcome == "failed" else "later", sent.reason)
