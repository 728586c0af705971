"""The loop as a process of its own, to be killed: DSN, the receiver's port, the mail server's."""

from __future__ import annotations

import asyncio
import sys

from activities.deliveries import Deliveries
from channels.egress import Egress
from channels.mail import Mail, MailSettings
from records.database import Database


async def main(dsn: str, receiver: int, mail: int) -> None:
    database = await Database.open(dsn)
    loop = Deliveries(
        database,
        Egress(frozenset({("127.0.0.1", receiver)})),
        Mail(MailSettings(host="127.0.0.1", port=mail, sender="continuum@clinic.example")),
        base_url="https://continuum.clinic.example",
        domain="clinic.example",
        alarm_address="operator@clinic.example",
    )
    await loop.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
