"""The mail sink stores what was acknowledged, and tells nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib

from continuum.embedded.child import Child
from continuum.embedded.folder import Folder
from continuum.embedded.mail import MailSink, read_mail
from continuum.embedded.ports import free_port
from continuum.embedded.supervisor import Supervisor, _python_environment


def message(number: int, body: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = "continuum@clinic.example"
    mail["To"] = "doctor@practice.example"
    mail["Subject"] = f"A referral was answered ({number})"
    mail["Message-ID"] = f"<{number}@clinic.example>"
    mail.set_content(body)
    return mail


async def test_a_message_can_be_read_back(stack: Supervisor) -> None:
    before = len(read_mail(stack.folder.mail))
    text = "Über den Link.\n.\nEin Punkt allein, und ein langes Wort: " + "x" * 2000 + "\n"
    await aiosmtplib.send(
        message(1, text),
        recipients=["doctor@practice.example", "copy@practice.example"],
        hostname=stack.stack.smtp_host,
        port=stack.stack.smtp_port,
    )
    stored = read_mail(stack.folder.mail)
    assert len(stored) == before + 1
    mail = stored[-1]
    assert mail.number == before + 1
    assert mail.message_id == "<1@clinic.example>"
    assert mail.to == ["doctor@practice.example", "copy@practice.example"]
    assert mail.subject == "A referral was answered (1)"
    assert mail.body == text
    assert timedelta(0) <= datetime.now(UTC) - mail.received_at < timedelta(seconds=5)
    for log in stack.folder.logs.iterdir():
        assert "practice.example" not in log.read_text(), log


async def test_numbers_go_on_after_a_restart(folder: Path) -> None:
    place = Folder(folder)
    place.create()
    for start in (1, 3):
        sink = MailSink(place, port=free_port([]), environment=_python_environment())
        await sink.start()
        try:
            assert isinstance(sink.child, Child)
            for number in (start, start + 1):
                await aiosmtplib.send(message(number, "text"), hostname="127.0.0.1", port=sink._port)
        finally:
            await sink.stop()
    assert [(mail.number, mail.message_id) for mail in read_mail(place.mail)] == [
        (number, f"<{number}@clinic.example>") for number in (1, 2, 3, 4)
    ]
    assert {path.suffix for path in place.mail.iterdir()} == {".eml"}


def test_odd_messages_can_be_read(tmp_path: Path) -> None:
    head = b"Continuum-Received: 2030-01-02T03:04:05+00:00\r\nDelivered-To: a@b.example\r\n"
    odd = {
        1: b"",
        2: b"\r\nno headers",
        3: b"Content-Type: text/plain; charset=unknown-9\r\n\r\ntext \xff",
        4: b"Subject: =?utf-8?b?broken\r\nMessage-ID: not an id\r\n"
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x",
        5: b"Content-Type: text/html\r\n\r\n<p>only html</p>",
    }
    for number, rest in odd.items():
        (tmp_path / f"{number:06}.eml").write_bytes(head + rest)
    stored = read_mail(tmp_path)
    assert [mail.number for mail in stored] == list(odd)
    assert stored[1].body == "no headers"
    assert stored[2].body.startswith("text")
    assert "only html" in stored[4].body
