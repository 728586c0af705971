"""`python -m pathways lint | schema`: for whoever writes pathways, and for CI."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pathways import lint, schema
from pathways.loader import files


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. 0: nothing to say; 2: problems, one on a line."""
    parser = argparse.ArgumentParser(prog="python -m pathways", description="Check pathways written as YAML.")
    commands = parser.add_subparsers(dest="command", required=True)
    lint = commands.add_parser("lint", help="find mistakes in pathways; exit code 2 when there are any")
    lint.add_argument("directory", nargs="?", type=Path, help="a folder of pathways; without it, our own")
    lint.add_argument("--json", action="store_true", help="findings as a JSON array")
    made = commands.add_parser("schema", help="the JSON Schema of a pathway file")
    how = made.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="keep it in pathways/schema.json")
    how.add_argument("--check", action="store_true", help="exit code 2 when the kept one is not current")
    options = parser.parse_args(arguments)
    if options.command == "lint":
        return _lint(options.directory, as_json=options.json)
    return _schema(write=options.write, check=options.check)


def _lint(directory: Path | None, *, as_json: bool) -> int:
    findings = lint.lint(directory)
    if as_json:
        print(json.dumps([f.as_dict() for f in findings], indent=1))
    else:
        for finding in findings:
            print(finding)
        if not findings:
            known = len(files(directory))
            print(f"{known} pathway{'' if known == 1 else 's'}, no problem found. This is no clinical sign-off.")
    return 2 if findings else 0


def _schema(*, write: bool, check: bool) -> int:
    if check:
        if schema.is_current():
            return 0
        print("pathways/schema.json is not current: run `python -m pathways schema --write`")
        return 2
    if write:
        Path(__file__).with_name(schema.FILE).write_text(schema.text(), encoding="utf-8")
    else:
        print(schema.text(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
