"""Brings a file to its door and reads the answer, as a sender's system would."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from continuum.corpus.doors import END, START, Door
from gateway.hl7.meanings import ANSWERS

Verdict = Literal["acknowledged", "refused", "broken"]
ANSWER_SECONDS = 30.0
LARGEST_ANSWER = 8_000_000
SILENT = "silent"
"""The code of no answer at all, where none was wanted."""
ANSWERED = "answered"
"""The code of a batch that only asked: nothing of it is stored."""
BATCH = "batch"
"""The code of a batch of which something was written."""
WRITTEN = frozenset({"201", "202"})
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
        said = _bundle(response)
        if said.get("type") == "batch-response":
            return of_batch(said)
        if response.is_success:
            return Answer("acknowledged", str(response.status_code))
        code = _issue_code(said or _json(response))
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

    Source: HL7 v2.5.1, 2.9.2 and 2.9.3 (MSH-15 and MSH-16, table 0155); what answers a message is not acknowledged.
    """
    head = re.split(rb"[\r\n]", raw.lstrip(START + b"\xef\xbb\xbf \r\n"), maxsplit=1)[0]
    fields = head.split(head[3:4]) if len(head) > 3 else []
    kind, accept, application = (fields[n].strip() if len(fields) > n else b"" for n in (8, 14, 15))
    if kind[:3].decode("latin-1") in ANSWERS or (
        (accept or application) and not {accept, application} & {b"AL", b"SU"}
    ):
        return Answer("acknowledged", SILENT)
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


def of_batch(bundle: dict[str, Any]) -> Answer:
    """What a batch was answered: each entry has a status of its own, and the best counts, unless one broke."""
    responses = [entry.get("response", {}) for entry in bundle.get("entry", [])]
    statuses = [str(response.get("status", ""))[:3] for response in responses]
    if any(not status.isdecimal() or status >= "500" for status in statuses):
        return Answer("broken", BATCH, " ".join(sorted(set(statuses))))
    if any(status in WRITTEN for status in statuses):
        return Answer("acknowledged", BATCH)
    if any(status.startswith("2") for status in statuses) or not statuses:
        return Answer("acknowledged", ANSWERED)
    codes = [_issue_code(response.get("outcome", {})) for response in responses]
    return Answer("refused", codes[0], BATCH) if codes[0] else Answer("broken", BATCH, "no coded OperationOutcome")


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _bundle(response: httpx.Response) -> dict[str, Any]:
    found = _json(response)
    return found if found.get("resourceType") == "Bundle" else {}


def _issue_code(said: dict[str, Any]) -> str | None:
    """Of an OperationOutcome, or of the one in the response to a message."""
    if said.get("resourceType") == "Bundle":
        inside = (entry.get("resource", {}) for entry in said.get("entry", []))
        said = next((one for one in inside if one.get("resourceType") == "OperationOutcome"), {})
    if said.get("resourceType") != "OperationOutcome":
        return None
    issues: list[dict[str, Any]] = said.get("issue", [])
    return next((str(issue["code"]) for issue in issues if "code" in issue), None)
