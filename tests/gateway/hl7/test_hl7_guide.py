"""Every example of docs/integrators/hl7.md is sent as it stands there, and answered as it says."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import House
from tests.gateway.hl7.samples import fields
from tests.gateway.hl7.test_hl7_listener import a_house, gateway, listening

PAGE = (Path(__file__).parents[3] / "docs" / "integrators" / "hl7.md").read_text("utf-8")
EXAMPLES = re.findall(r"```hl7 (\w+)(?: (\d+))?\n(.*?)```", PAGE, re.DOTALL)
(SNIPPET,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_there_is_an_example_of_each_kind() -> None:
    kinds = {message.split("|", 9)[8].split("^")[0] for _, _, message in EXAMPLES}
    assert kinds == {"REF", "OMG", "ADT", "SIU", "ORU"}


async def test_every_example_is_answered_as_the_page_says(quiet_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    here = a_house()
    known: dict[str, Any] = {}
    exec(SNIPPET, known)  # the page's own sender
    send: Callable[[str], str] = known["send"]
    async with listening(gateway(quiet_house)) as port:
        monkeypatch.setitem(os.environ, "HL7_HOST", "127.0.0.1")
        monkeypatch.setitem(os.environ, "HL7_PORT", str(port))
        answers = []
        for code, condition, message in EXAMPLES:
            answer = (await asyncio.to_thread(send, message.strip().replace("NORTHSIDE", here))).replace("\n", "\r")
            answers.append(answer)
            raw = answer.encode()
            assert fields(raw, "MSA")[1] == code, answer
            if condition:
                assert fields(raw, "ERR")[3].startswith(condition)
                assert "19670412" not in answer
    first, second = answers[:2]
    assert fields(first.encode(), "MSH")[9] == "RRI^I12^RRI_I12"
    assert fields(first.encode(), "RF1")[1].startswith("P")
    assert fields(first.encode(), "RF1")[11] == fields(second.encode(), "RF1")[11], "the journey's id"
