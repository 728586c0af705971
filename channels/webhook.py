"""One attempt to tell a receiver something over HTTPS, and an honest answer about how it ended.

Standard Webhooks 1.0: only 2xx is success, a redirect is a failure, 410 means never again, 429 and 502 to 504 later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

from channels import signing
from channels.egress import Egress, EgressFailed, EgressRefused

TIMEOUT_SECONDS = 20.0
ANSWER_BYTES = 4096
"""Read and forgotten, so that a receiver that answers at length sees its answer taken."""
LONGEST_WAIT_SECONDS = 86_400.0
"""However long a receiver wants us to stay away."""
LATER = frozenset({429, 502, 503, 504})
GONE = 410

Outcome = Literal["delivered", "refused", "later", "gone"]


@dataclass(frozen=True, slots=True)
class Posted:
    """How an attempt ended.

    `refused`: the receiver is there and did not take this. `later`: it is not there, or wants us to wait; nothing else
    would fare better now. `gone`: it wants nothing of us ever again.
    """

    outcome: Outcome
    reason: str | None = None
    """For the record: a number or a word of ours, nothing of what was answered."""
    wait_seconds: float | None = None
    """At least so long, says the receiver."""


@dataclass(frozen=True, slots=True)
class Post:
    """What is sent. `message` is the same for every attempt."""

    message: str
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS


async def send(egress: Egress, post: Post) -> Posted:
    """One attempt, signed as of now. Never raises for what a receiver can do."""
    now = datetime.now(UTC)
    headers = {**post.headers, "content-type": post.media_type}
    if post.secrets:
        headers |= signing.signed(post.secrets, post.message, post.body, now)
    try:
        answer = await egress.request(
            "POST",
            post.url,
            headers=headers,
            content=post.body,
            max_bytes=ANSWER_BYTES,
            timeout=min(post.timeout_seconds, TIMEOUT_SECONDS),
            cut=True,
        )
    except EgressRefused as refused:
        return Posted("later", str(refused))
    except EgressFailed as failed:
        return Posted("later", str(failed))
    return verdict(answer.status, answer.headers.get("retry-after"), now)


def verdict(status: int, retry_after: str | None, now: datetime) -> Posted:
    """What an answer means."""
    if 200 <= status < 300:
        return Posted("delivered")
    reason = f"answered {status}"
    if status == GONE:
        return Posted("gone", reason)
    if status in LATER:
        return Posted("later", reason, wait_seconds(retry_after, now))
    return Posted("refused", reason)


def wait_seconds(retry_after: str | None, now: datetime) -> float | None:
    """`Retry-After`, in seconds or as a date (RFC 9110 section 10.2.3), bounded; None where it says nothing."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return min(float(text[:9]), LONGEST_WAIT_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), LONGEST_WAIT_SECONDS)
