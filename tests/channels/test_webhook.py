"""What a receiver's answer means, and that it can tell that we sent it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from channels import signing
from channels.webhook import LONGEST_WAIT_SECONDS, Posted, verdict, wait_seconds

NOW = datetime(2026, 11, 29, 18, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_only_2xx_is_success(status: int) -> None:
    assert verdict(status, None, NOW).outcome == "delivered"


@pytest.mark.parametrize("status", [101, 300, 301, 302, 307, 308, 400, 401, 403, 404, 409, 413, 422, 500, 501, 505])
def test_everything_else_is_a_failure(status: int) -> None:
    assert verdict(status, "120", NOW) == Posted("refused", f"answered {status}")


def test_gone_is_for_ever() -> None:
    assert verdict(410, None, NOW).outcome == "gone"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_receiver_that_is_busy_says_for_how_long(status: int) -> None:
    assert verdict(status, "120", NOW) == Posted("later", f"answered {status}", 120)
    assert verdict(status, None, NOW) == Posted("later", f"answered {status}")


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0", 0),
        (" 7 ", 7),
        ("99999999999999999999", LONGEST_WAIT_SECONDS),
        (format_datetime(NOW + timedelta(minutes=3), usegmt=True), 180),
        ("Sunday, 29-Nov-26 18:02:00 GMT", 120),
        ("Sun Nov 29 18:02:00 2026", 120),
        (format_datetime(NOW - timedelta(days=3), usegmt=True), 0),
        (format_datetime(NOW + timedelta(days=300), usegmt=True), LONGEST_WAIT_SECONDS),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Sun, 99 Nov 2026 18:02:00 GMT", None),
    ],
)
def test_how_long_it_wants_us_to_wait(said: str, seconds: float | None) -> None:
    assert wait_seconds(said, NOW) == seconds


def test_a_receiver_knows_that_it_was_us() -> None:
    secret = signing.new_secret()
    body = '{"data":"größer"}'.encode()
    headers = signing.signed([secret], "msg_1", body, datetime.now(UTC))
    assert headers["webhook-id"] == "msg_1"
    assert Webhook(secret).verify(body, headers) == {"data": "größer"}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace(b"data", b"Data"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers | {"webhook-id": "msg_2"})
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.new_secret()).verify(body, headers)


def test_the_time_is_that_of_the_world() -> None:
    here = datetime.now(timezone(timedelta(hours=9)))
    secret = signing.new_secret()
    Webhook(secret).verify(b"{}", signing.signed([secret], "msg_1", b"{}", here))


def test_while_secrets_change_both_are_good() -> None:
    first = (signing.new_secret(),)
    second = signing.rotated(first)
    third = signing.rotated(second)
    headers = signing.signed(second, "msg_1", b"{}", datetime.now(UTC))
    for secret in second:
        Webhook(secret).verify(b"{}", headers)
    assert second[1:] == first
    assert third[1:] == second[:1]
    with pytest.raises(WebhookVerificationError):
        Webhook(first[0]).verify(b"{}", signing.signed(third, "msg_1", b"{}", datetime.now(UTC)))
