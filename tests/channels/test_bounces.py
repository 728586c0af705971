"""Bounces: what mail servers report is read, and nothing else is taken for a report."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.bounces import LARGEST, Bounce, NotABounce, read

FIXTURES = Path(__file__).parents[1] / "fixtures" / "bounces"
OURS = "<0123456789abcdef0123456789abcdef@clinic.example>"
POSTFIX = (FIXTURES / "postfix-unknown-user.eml").read_bytes()


@pytest.mark.parametrize(
    ("name", "failed", "status"),
    [
        ("postfix-unknown-user", True, "5.1.1"),
        ("exim-mailbox-full", True, "5.2.2"),
        ("without-the-message", True, "5.4.1"),
        ("postfix-delayed", False, "4.4.1"),
    ],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_report_is_read(name: str, failed: bool, status: str, line_end: bytes) -> None:
    raw = (FIXTURES / f"{name}.eml").read_bytes().replace(b"\n", line_end)
    assert read(raw) == Bounce(message_id=OURS, failed=failed, status=status)


def test_one_failure_among_several_recipients_counts() -> None:
    raw = POSTFIX.replace(
        b"Final-Recipient: rfc822; nobody",
        b"Final-Recipient: rfc822; first@x.example\nAction: relayed\nStatus: 2.0.0\n\nFinal-Recipient: rfc822; nobody",
    )
    assert read(raw) == Bounce(message_id=OURS, failed=True, status="5.1.1")


@pytest.mark.parametrize("status", [b"Status: nonsense", b"X-Status: 5.1.1"])
def test_a_failure_without_a_code_is_a_failure(status: bytes) -> None:
    raw = POSTFIX.replace(b"Status: 5.1.1\nRemote", status + b"\nRemote")
    assert read(raw).status == "5.0.0"


def forwarded() -> bytes:
    """A person's mail with a bounce attached is no bounce."""
    mail = EmailMessage()
    mail["Subject"] = "Fwd: Undelivered"
    mail.set_content("What is this?")
    mail.add_attachment(POSTFIX, maintype="message", subtype="x-bounce", filename="bounce.eml")
    return mail.as_bytes()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00\xff\xfe",
        b"Subject: Undelivered Mail\n\nStatus: 5.1.1\nMessage-ID: " + OURS.encode(),
        POSTFIX.replace(b"report-type=delivery-status", b"report-type=disposition-notification"),
        POSTFIX.replace(b"report-type=delivery-status;", b""),
        POSTFIX.replace(b"message/delivery-status", b"text/plain"),
        POSTFIX.replace(b"Action: failed", b"X-Action: failed"),
        POSTFIX.replace(OURS.encode(), b"not an id"),
        POSTFIX[: POSTFIX.index(b"Content-Description: Delivery report")],
        POSTFIX + b" " * LARGEST,
        forwarded(),
    ],
)
def test_what_is_no_report_marks_nothing(raw: bytes) -> None:
    with pytest.raises(NotABounce):
        read(raw)


@given(at=st.integers(0, len(POSTFIX) - 1), noise=st.binary(max_size=30), cut=st.integers(0, 60))
def test_a_damaged_report_is_read_or_refused(at: int, noise: bytes, cut: int) -> None:
    """Never another error."""
    raw = POSTFIX[:at] + noise + POSTFIX[at + cut :]
    try:
        found = read(raw)
    except NotABounce:
        return
    assert found.message_id.startswith("<")


@given(st.binary(max_size=300))
def test_noise_is_refused(raw: bytes) -> None:
    with pytest.raises(NotABounce):
        read(raw)
