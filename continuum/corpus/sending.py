"""Brings a file to its door and reads the answer, as a sender's system would."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Literal

import httpx

from continuum.corpus.doors import END, START, Door

Verdict = Literal["acknowledged", "refused", "broken"]
ANSWER_SECONDS = 30.0
LARGEST_ANSWER = 8_000_000
_MSA = re.compile(rb"(?:^|[\r\n])MSA[^\r\nA-Za-z0-9](A[AER]|C[AER])\b")
_CONDITION = re.compile(rb"(?:^|[\r\n])ERR[^\r\n]*?(?<!\d)(10[0-4]|20[0-7])(?!\d)")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender was told. `code` is the protocol's own: an issue type of FHIR, a code of HL7 table 0357."""

    verdict: Verdict
    code: str
    words: str = ""


class Sender:
    """One system that sends FHIR with its token, and HL7 v2."""

    def __init__(self, client: httpx.AsyncClient, token: str, hl7_host: str, hl7_port: int) -> None:
        self._client = client
        self._token = token
        self._hl7 = (hl7_host, hl7_port)

    async def send(self, raw: bytes, door: Door) -> Answer:
        """The answer at that door. Never raises for what a server can do."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await (self._mllp(raw) if door.protocol == "hl7v2" else self._http(raw, door))
        except (
            OSError,
            TimeoutError,
            httpx.HTTPError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as error:
            return Answer("broken", "no-answer", type(error).__name__)

    async def _http(self, raw: bytes, door: Door) -> Answer:
        response = await self._client.post(
            door.path,
            content=raw,
            headers={"Content-Type": door.media_type, "Authorization": f"Bearer {self._token}"},
        )
        if response.is_success:
            return Answer("acknowledged", str(response.status_code))
        code = _issue_code(response)
        if response.status_code >= 500 or code is None:
            return Answer("broken", f"HTTP {response.status_code}", "" if code else "no coded OperationOutcome")
        return Answer("refused", code, f"HTTP {response.status_code}")

    async def _mllp(self, raw: bytes) -> Answer:
        reader, writer = await asyncio.open_connection(*self._hl7, limit=LARGEST_ANSWER)
        try:
            writer.write(START + raw.strip(START).removesuffix(END) + END)
            await writer.drain()
            writer.write_eof()  # so that one who does not answer says so by closing, too
            frame = await reader.read(LARGEST_ANSWER)
            while frame and END not in frame and (more := await reader.read(LARGEST_ANSWER)):
                frame += more
            return answered(frame) if frame else silent(raw)
        finally:
            writer.close()


def silent(raw: bytes) -> Answer:
    """No answer at all: right where the sender asks for none, or where its message is itself an answer.

    Source: HL7 v2.5.1, 2.9.2 and 2.9.3 (MSH-15 and MSH-16, table 0155); an acknowledgement is never acknowledged.
    """
    head = re.split(rb"[\r\n]", raw.lstrip(START + b"\xef\xbb\xbf \r\n"), maxsplit=1)[0]
    fields = head.split(head[3:4]) if len(head) > 3 else []
    kind, accept, application = (fields[n].strip() if len(fields) > n else b"" for n in (8, 14, 15))
    if kind[:3] == b"ACK" or ((accept or application) and not {accept, application} & {b"AL", b"SU"}):
        return Answer("acknowledged", "silent")
    return Answer("broken", "no-answer", "closed without a word")


def answered(frame: bytes) -> Answer:
    """What an acknowledgement says, or, to a batch, all of them together: the worst counts."""
    codes = {match.decode() for match in _MSA.findall(frame.strip(START))}
    if not codes:
        return Answer("broken", "no-msa", "an answer without MSA-1")
    if codes <= {"AA", "CA"}:
        return Answer("acknowledged", "/".join(sorted(codes)))
    condition = _CONDITION.search(frame)
    if condition is None:
        return Answer("broken", "/".join(sorted(codes)), "refused without a code of table 0357")
    return Answer("refused", condition[1].decode(), "/".join(sorted(codes)))


def _issue_code(response: httpx.Response) -> str | None:
    try:
        outcome = response.json()
        issue = outcome["issue"][0]
    except (ValueError, LookupError, TypeError):
        return None
    if outcome.get("resourceType") == "Bundle":
        return None
    code = issue.get("code") if outcome.get("resourceType") == "OperationOutcome" else None
    return code if isinstance(code, str) else None
