"""What people are called, where they live in the net and what was written about them is text in a mail, never more."""

from __future__ import annotations

import re
import unicodedata
from email.message import EmailMessage
from uuid import UUID, uuid4

import pytest

from activities.digests import Digests
from activities.messages import MailMessages
from care.notice import Notice
from channels.mail import Letter
from channels.templates import LANGUAGES
from channels.templates.fill import plain
from tests.integration.post_office import DOMAIN, NOW, Mailroom, Server, a_persons, mail_to, post_of

pytestmark = pytest.mark.xdist_group("mail")

HEADERS = {
    *("Message-ID", "From", "To", "Subject", "Date", "Auto-Submitted", "Content-Language"),
    *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
}
HIDDEN = set("\u202a\u202b\u202c\u202d\u202e\u200e\u200f\u061c\ufeff\u2028\u2029\x85\x00\x1b\x0b\x0c")

_BREAKS = ("\r\n", "\n", "\r", "\r\n\r\n", "\n\n", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r\n ", "\n\t")
_HEADERS = (
    "Bcc: evil@x.example",
    "To: evil@x.example",
    "Subject: other",
    "Content-Type: text/html",
    ".\r\nMAIL FROM:<e@x>",
)
STRINGS = (
    *(f"Ann{line_end}{header}" for line_end in _BREAKS for header in _HEADERS),
    *("{", "}", "{}", "{0}", "{name}", "{due}", "{task.__class__}", "{journey.__class__.__mro__}", "{{7*7}}", "${7*7}"),
    *("{:>999999999}", "%s", "%n", "%(x)s", "{% include '/etc/passwd' %}", "<%= 7*7 %>", "#{7*7}", "`id`", "$(id)"),
    *(
        "<b>Ann</b>",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "&lt;b&gt;",
        "<!--",
        "]]>",
        "<a href='//x'>",
    ),
    *(
        "=?utf-8?B?RXZpbA==?=",
        "=?utf-8?Q?=0D=0ABcc:_evil@x.example?=",
        "=?iso-2022-jp?B?GyRC?=",
        "=0D=0ABcc: evil@x.example",
    ),
    *(
        "\u202egnp.exe",
        "\u2066Ann\u2069",
        "Ann\u200f",
        "\u202bAnn\u202c",
        "\ufeffAnn",
        "A\u0308\u0301\u0327nn" * 5,
        "\u061cAnn",
    ),
    *(
        '"Ann"',
        "O'Ann",
        '"; drop table continuum.notice; --',
        "\\",
        '\\"',
        "'",
        "Ann, Bob",
        "Ann; Bob",
        "Ann <evil@x.example>",
    ),
    *(
        "evil@x.example",
        "a@b, evil@x.example",
        "(comment)",
        "Ann\x1b[31m",
        "Ann\x1b]0;x\x07",
        "Ann\x08\x08\x08Bob",
        "\x7f",
        "\t",
    ),
    *(
        "A" * 5000,
        "é" * 2000,
        "عمر",
        "岡本",
        "🧑‍🦽",
        "\U000e0041nn",
        "\ud7ff",
        "\ufffe",
        "Ann\u00a0Bob",
        "Ann\u3000Bob",
        "Zoë",
    ),
    *(
        "..",
        ".",
        "\r\n.\r\n",
        "\n.\nRCPT TO:<evil@x.example>",
        "From evil@x.example",
        ">From",
        "--boundary--",
        "data:,x",
    ),
)
ADDRESSES = (
    *("a@x.example\r\nBcc: evil@x.example", "a@x.example\nTo: evil@x.example", "a@x.example, evil@x.example"),
    *("a@x.example;evil@x.example", "Ann <evil@x.example>", "<evil@x.example>", "a@x.example evil@x.example"),
    *(
        "evil@x.example,",
        "@x.example:evil@y.example",
        "group: evil@x.example;",
        '"a\r\nRCPT TO:<evil@x.example>"@x.example',
    ),
    *(
        "a@x.example>\r\nRCPT TO:<evil@x.example",
        "a@x.example> SIZE=1",
        "",
        " ",
        "@",
        "a@",
        "@x.example",
        "a",
        "a@@x.example",
    ),
    *(
        "a@x.example\u2028Bcc: evil@x.example",
        "a\u202e@x.example",
        "a@x.example\x85evil",
        "a(evil@x.example)@x.example",
    ),
    *(
        f"{'a' * 250}@x.example",
        "a@[127.0.0.1]",
        "=?utf-8?Q?=0D=0ABcc=3A_evil?=@x.example",
        "a@x.example?bcc=evil@x.example",
        "mailto:a@x.example",
        "a@x\\.example",
        "a\t@x",
    ),
)


def checked(letter: EmailMessage, to: str) -> str:
    """A letter has our headers, each once, one reader and one plain text. Its text."""
    names = [name for name, _ in letter.items()]
    assert len(names) == len(set(names)), names
    assert set(names) <= HEADERS, names
    assert letter["To"] == to
    assert letter["From"] == f"continuum@{DOMAIN}"
    assert letter.get_content_type() == "text/plain"
    assert not letter.is_multipart()
    assert not letter.defects
    assert not HIDDEN & set(letter["Subject"])
    text: str = letter.get_content()
    assert not HIDDEN & set(text)
    return text


async def someone(room: Mailroom, text: str, language: str) -> UUID:
    """A patient and a referrer with this text everywhere; the number that names them."""
    number = uuid4()
    async with room.record.connection() as connection, connection.transaction():
        patient = await connection.fetchval(
            "insert into continuum.patient (tenant, given, family, phone, birth_date, email, languages)"
            " values ('clinic', $1, $1, $1, $1, $2, $3) returning id",
            text,
            f"p-{number}@x.example",
            [language],
        )
        await connection.execute(
            "insert into continuum.inbound (id, tenant, source, transport_key, sha256, raw, media_type, outcome)"
            " values ($1, 'clinic', 's', $2, 'h', '', '', 'accepted')",
            number,
            str(number),
        )
        await connection.execute(
            "insert into continuum.referral (journey, tenant, source, referral_id, sha256, inbound, patient, requester,"
            " requester_email, texts, facts, received_at, started_at)"
            " values ($1, 'clinic', 's', $1, 'h', $2, $3, $4, $5, $6, '{}', $7, $7)",
            str(number),
            number,
            patient,
            {"name": text},
            f"r-{number}@x.example",
            [text],
            NOW,
        )
        await connection.execute(
            "insert into continuum.person (tenant, id, name, email, language) values ('clinic', $1, $2, $3, $4)",
            str(number),
            text,
            f"s-{number}@x.example",
            language,
        )
        await connection.execute(
            "insert into continuum.note (id, tenant, journey, author, body) values ($1, 'clinic', $1, 'p-x', $2)",
            str(number),
            f"NOTE {text}",
        )
    return number


async def tell(room: Mailroom, number: UUID, to: str, template: str, digest: bool = False, **facts: str) -> str:
    notice = f"{number}:notice:{uuid4()}"
    await room.record.execute(
        "insert into continuum.notice (id, journey, tenant, recipient, template, facts, send_after, hash, digest)"
        " values ($1, $2, 'clinic', $3, $4, $5, $6, '', $7)",
        notice,
        str(number),
        to,
        template,
        facts,
        NOW,
        digest,
    )
    return notice


def test_there_are_enough_of_them() -> None:
    assert len(set(STRINGS)) + len(set(ADDRESSES)) > 150


@pytest.mark.parametrize("language", LANGUAGES)
async def test_texts_are_text(mailroom: Mailroom, smtp: Server, language: str) -> None:
    post, alarms = (
        post_of(mailroom.record, smtp),
        MailMessages(mailroom.record, mail_to(smtp), domain=DOMAIN, alarm_address=f"alarm@{DOMAIN}"),
    )
    digests = Digests(mailroom.record, mail_to(smtp), domain=DOMAIN, after_seconds=0)
    for text in STRINGS if language == "en" else STRINGS[::4]:
        stored = text.replace("\x00", "")
        number = await someone(mailroom, stored, language)
        ids = [
            await tell(mailroom, number, "patient", "visit_booked", when=stored),
            await tell(mailroom, number, "referrer", "referral_answer", answer="declined", reason=stored),
            await tell(mailroom, number, "referrer", "summary_ready", document=stored),
            await tell(mailroom, number, "referrer", "journey_news", news=stored),
        ]
        alarm = Notice(
            id=f"{number}:alarm:ces:1",
            to=f"person:{number}",
            template="red_flag_alarm",
            facts={"urgency": stored},
            send_after=NOW,
        )
        for _ in range(2):
            await tell(mailroom, number, f"person:{number}", "task_due", True, task=stored, due=stored)
        smtp.stored.clear()
        smtp.recipients.clear()
        await alarms.alarm(alarm, "clinic")
        await post.once()
        assert await a_persons(mailroom.record, *ids) == set()
        await digests.once()
        readers = [f"{who}-{number}@x.example" for who in "prrrss"]
        assert sorted(smtp.recipients) == readers, "to those who should read it, and to nobody else"
        for recipient, letter in zip(smtp.recipients, smtp.letters, strict=True):
            shown = checked(letter, recipient)
            first = shown.splitlines()[0]
            assert "NOTE" not in shown, "what staff wrote stays in the record"
            if recipient.startswith("p-"):
                assert first in ("Hello,", "تحية طيبة،")
            elif plain(stored):
                assert plain(stored) in first, "a name is shown as it is, on its line"
            if not recipient.startswith("r-") and plain(stored):
                assert plain(stored).replace("_", " ") in re.sub(r"[\u2068\u2069]", "", shown).replace("_", " ")


async def test_an_address_is_one_reader_or_none(mailroom: Mailroom, smtp: Server) -> None:
    for address in ADDRESSES:
        number = await someone(mailroom, "Ann", "en")
        await mailroom.record.execute(
            "update continuum.referral set requester_email = $2 where journey = $1", str(number), address
        )
        notice = await tell(mailroom, number, "referrer", "journey_news", news="resumed")
        smtp.stored.clear()
        smtp.recipients.clear()
        await post_of(mailroom.record, smtp).once()
        if smtp.recipients:
            assert smtp.recipients == [address]
            checked(smtp.letters[0], address)
        else:
            assert await a_persons(mailroom.record, notice) == {notice}, (
                "a person delivers what has no address to go to"
            )
        assert "evil@x.example" not in smtp.recipients


@pytest.mark.parametrize("field", ["subject", "message_id", "references", "language", "to"])
@pytest.mark.parametrize("text", [s for s in STRINGS if any(unicodedata.category(c) == "Cc" for c in s)][::4])
async def test_mail_itself_lets_no_header_through(smtp: Server, field: str, text: str) -> None:
    """Also where the words were not made safe before."""
    whole = {"message_id": "<1@x>", "to": "a@x.example", "subject": "Hello", "body": text, field: f"x{text}"}
    await mail_to(smtp).send(Letter(date=NOW, **whole))
    assert set(smtp.recipients) <= {"a@x.example"}
    for letter in smtp.letters:
        assert not {"Bcc", "Cc"} & set(letter.keys())
        assert letter.get_all("To") == ["a@x.example"]
        assert len(letter.get_all("Subject", [])) == 1
        assert letter.get_content_type() == "text/plain"
