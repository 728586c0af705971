"""The examples of docs/integrators/fhir-writing.md do what they say."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

from tests.gateway.fhir_writing.conftest import Door

PAGE = Path(__file__).parents[3] / "docs" / "integrators" / "fhir-writing.md"
EXAMPLE = re.compile(r"```sh\n(?P<command>curl .*?)\s+# (?P<status>\d{3})\n```", re.DOTALL)


async def test_every_example_runs(door: Door) -> None:
    page = PAGE.read_text("utf-8")
    examples = list(EXAMPLE.finditer(page))
    assert len(examples) == page.count("```sh"), "each says what comes of it"
    sender = door.system()
    known = {"$FHIR": "", "$TOKEN": sender.token}
    for example in examples:
        command = example["command"].replace("\\$", "$").replace("'$ORDER'", "$ORDER")
        for name, value in known.items():
            command = command.replace(name, value)
        _, *words = shlex.split(command.replace("\\\n", " "))
        flags = list(pairwise(words))
        headers = dict(value.split(": ", 1) for flag, value in flags if flag == "-H")
        method, body = (next(value for flag, value in flags if flag == wanted) for wanted in ("-X", "-d"))
        path = next(word for word in words if word.startswith("/"))
        answer = await sender.send(method, path, body.encode(), headers=headers)
        assert answer.status_code == int(example["status"]), f"{method} {path}: {answer.text}"
        if "/ServiceRequest/" in answer.headers.get("location", ""):
            known["$ORDER"] = answer.headers["location"].rpartition("/")[2]
