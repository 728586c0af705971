"""Records what the replay and fingerprint tests hold the workflows against. One command, in the repository's root:

    .venv/bin/python -m tests.workflows.record_histories

It starts the tests' own house (real servers, a throw-away folder), plays the scripts of `cast.py`, and writes
`histories/*.json.gz` and `fingerprints.json` beside this file. Run it when a change of commands is meant, and say in
the commit why it may be: a history that is replaced no longer guards the journeys that are open. To guard those too,
keep the old file under another name (`git mv histories/back_pain-3-Therapy.json.gz histories/v1-...`): every file in
the folder is replayed.

A history is the JSON of the SDK (`WorkflowHistory.to_json`), compressed: `zcat FILE | python -m json.tool` shows it.
Nothing of the machine it was recorded on is kept: see `scrubbed`.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

from tests.conftest import House, built, staffed
from tests.workflows import cast, fingerprints

FOLDER = Path(__file__).with_name("histories")

KEPT = (
    ("back pain", "Intake"),
    ("back pain", "Referral"),
    ("back pain", "Therapy"),
    ("back pain", "Discharge"),
    ("back pain", "FollowUp"),
    ("knee", "PostSurgeryRehab"),
    ("red flag", "Intake"),
    ("re-entry", "FollowUp"),
    ("re-entry", "Therapy"),
    ("held", "Therapy"),
    ("asked back", "Intake"),
    ("overridden", "PostSurgeryRehab"),
    ("stalled", "Intake"),
)
"""Which runs are kept, by script and stage; the last of that stage where there are several."""

SOMEBODY = "worker"
LEFT_OUT = {"workerVersion", "stackTrace", "workerInstanceKey"}


def scrubbed(value: Any) -> Any:
    """Without host name and process id (the SDK's `identity` and the names of sticky queues), paths and build ids."""
    if isinstance(value, list):
        return [scrubbed(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {name: scrubbed(item) for name, item in value.items() if name not in LEFT_OUT}
    if "identity" in kept:
        kept["identity"] = SOMEBODY
    if kept.get("kind") == "TASK_QUEUE_KIND_STICKY":
        kept["name"] = "sticky"
    return kept


def file_of(script: str, number: int, stage: str) -> Path:
    """Where the history of a run is kept."""
    return FOLDER / f"{script.replace(' ', '_')}-{number}-{stage}.json.gz"


def save(path: Path, history: WorkflowHistory) -> None:
    """Write a history, scrubbed and compressed; the same history gives the same bytes."""
    text = json.dumps(scrubbed(json.loads(history.to_json())), separators=(",", ":"))
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def load(path: Path) -> WorkflowHistory:
    """Read one back."""
    text = json.loads(gzip.decompress(path.read_bytes()))
    started = text["events"][0]["workflowExecutionStartedEventAttributes"]
    return WorkflowHistory.from_json(started["workflowId"], text)


async def record(house: House) -> None:
    """Play everything and write it down."""
    played = await cast.play_all(house, list(cast.SCRIPTS))
    fingerprints.write(fingerprints.of(played))
    played["stalled"] = await cast.play(house, "stalled", cast.stalled)
    FOLDER.mkdir(exist_ok=True)
    for script, stage in KEPT:
        runs = [(number, run) for number, run in enumerate(played[script].runs, 1) if cast.stage_of(run) == stage]
        number, run = runs[-1]
        save(file_of(script, number, stage), run)
    slowed = [name for name, one in played.items() if name != "stalled" and any(map(cast.fell_back, one.runs))]
    if slowed:
        sys.exit(f"this machine was too busy for {', '.join(slowed)}: record again")


async def main() -> None:
    """In a house of its own."""
    async with built() as house, staffed(house):
        await record(house)
    size = sum(path.stat().st_size for path in FOLDER.glob("*.json.gz"))
    print(
        f"{len(list(FOLDER.glob('*.json.gz')))} histories, {size // 1024} KB; fingerprints in {fingerprints.FILE.name}"
    )


if __name__ == "__main__":
    asyncio.run(main())
