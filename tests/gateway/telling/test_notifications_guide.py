"""The integrator's guide to being told: what it shows is what is taken and what comes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle
from fhir.resources.R4B.subscription import Subscription as R4Subscription

from activities import notifications
from channels import signing
from gateway.fhir_server.subscriptions.reading import asked_status, wanted
from gateway.fhir_server.subscriptions.rendering import resource
from records.deliveries import Event
from records.subscriptions import REFERRAL_TASK, Subscription

GUIDE = (Path(__file__).parents[3] / "docs" / "integrators" / "notifications.md").read_text("utf-8")
NOW = datetime(2026, 11, 29, 18, 2, 11, 412_000, UTC)
BASE = "https://continuum.clinic.example"


def block(mark: str) -> str:
    """The code block of the guide that is marked so."""
    (found,) = re.findall(rf"^```{mark}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
    return str(found)


def standing(**more: Any) -> Subscription:
    said = wanted(json.loads(block("json subscription")), NOW)
    row: dict[str, Any] = {
        **said.model_dump(),
        **dict.fromkeys(("trouble", "failing_since", "beats_at")),
        **dict.fromkeys(("rests_until", "tell_after", "created_at", "updated_at"), NOW),
        "id": "5d0c",
        "tenant": "clinic",
        "owner": "client:hospital",
        "secrets": (),
        "status": "active",
        "version": 2,
        "events": 7,
        "failures": 0,
        "to_tell": False,
    }
    return Subscription.model_validate({**row, **more})


EVENT = Event(
    id="msg_5d0c_7",
    number=7,
    focus="Task/j0ea8db7de538d1d0",
    at=NOW,
    status="pending",
    reason=None,
    attempts=0,
    first_tried_at=None,
)


def test_the_subscription_is_taken_as_it_is_shown() -> None:
    body = json.loads(block("json subscription"))
    R4Subscription.model_validate(body)
    found = wanted(body, NOW)
    assert (found.topic, found.content, found.heartbeat_seconds) == (REFERRAL_TASK, "id-only", 3600)
    assert found.headers == {"Authorization": "Bearer a-token-of-yours"}
    assert asked_status(body, new=True) == "requested"


def test_it_can_be_sent_back_as_it_was_read() -> None:
    it = standing(trouble="answered 503", ends_at=datetime(2999, 1, 1, tzinfo=UTC))
    shown = resource(it)
    R4Subscription.model_validate(shown)
    again = wanted(shown, NOW)
    assert again == wanted(json.loads(block("json subscription")), NOW).model_copy(
        update={"headers": {}, "ends_at": it.ends_at}
    )


def test_the_notification_is_what_comes() -> None:
    shown = json.loads(block("json notification"))
    Bundle.model_validate(shown)
    assert notifications.notification(standing(), "event-notification", BASE, NOW, [EVENT]) == shown


def test_the_webhook_is_what_comes() -> None:
    shown = json.loads(block("json webhook"))
    assert notifications.webhook(standing(kind="webhook"), EVENT, BASE) == shown


def test_the_receiver_of_the_guide_knows_us() -> None:
    there: dict[str, Any] = {}
    exec(block("python"), there)
    secret, body = signing.new_secret(), b'{"a":1}'
    headers = signing.signed([signing.new_secret(), secret], "msg_1", body, datetime.now(UTC))
    assert there["is_ours"](secret, body, headers)
    assert not there["is_ours"](secret, b'{"a":2}', headers)
    for signature in ("", "garbage", "v1", "v1,a,b", "v1,", "v1a,abc"):
        assert not there["is_ours"](secret, body, {**headers, "webhook-signature": signature})


@pytest.mark.parametrize("words", ["5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h", "within 20 seconds"])
def test_the_guide_names_the_numbers(words: str) -> None:
    assert words in " ".join(GUIDE.split())
