"""Signatures of what we send: Standard Webhooks 1.0, symmetric (`v1`).

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import secrets as chance
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

SECRET_BYTES = 32
AT_ONCE = 2
"""Secrets while a receiver changes over: the new one and the one before it."""


def new_secret() -> str:
    """A secret to share with one receiver."""
    return f"whsec_{base64.b64encode(chance.token_bytes(SECRET_BYTES)).decode()}"


def rotated(secrets: Sequence[str]) -> tuple[str, ...]:
    """A new secret, and the newest of the old until the receiver knows it."""
    return (new_secret(), *secrets[: AT_ONCE - 1])


def signed(secrets: Sequence[str], message: str, body: bytes, at: datetime) -> dict[str, str]:
    """The three headers. `message` is the same for every attempt, `at` is now: a receiver refuses what is old.

    One signature for each secret, so that a receiver accepts the message before and after it has changed over.
    """
    at = at.astimezone(UTC)  # the library takes any clock's figures for UTC
    signatures = [Webhook(secret).sign(message, at, body.decode()) for secret in secrets]
    return {
        "webhook-id": message,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
