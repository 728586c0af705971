"""What is installed is what the locks name, from wherever it comes: each with its hashes, and no registry in them."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "deploy/build.lock")
ENTRY = re.compile(r"([a-z0-9][a-z0-9._-]*)==([A-Za-z0-9.!+]+)(?: ; [^#\\]+)?((?: --hash=sha256:[0-9a-f]{64})+)")

each_lock = pytest.mark.parametrize("lock", LOCKS)


def entries(lock: str) -> list[str]:
    """Its logical lines, without comments."""
    text = re.sub(r"#.*", "", (ROOT / lock).read_text("utf-8"))
    joined = re.sub(r"\\\n\s*", "", text)
    return [re.sub(r"\s+", " ", line).strip() for line in joined.splitlines() if line.strip()]


def pinned(lock: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Each package's version and hashes. One may be there twice, for different systems."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for line in entries(lock):
        entry = ENTRY.fullmatch(line)
        assert entry is not None, f"{lock}: {line[:60]} is no version with hashes"
        found[entry[1]] = (entry[2], frozenset(entry[3].split()))
    return found


@each_lock
def test_every_entry_is_one_version_with_hashes(lock: str) -> None:
    assert len(pinned(lock)) == len(entries(lock)) > 0


@each_lock
def test_no_lock_names_a_registry_or_an_address(lock: str) -> None:
    text = "\n".join(entries(lock))
    assert not re.search(r"://|index-url|find-links|trusted-host| @ |git\+|^-", text, re.MULTILINE)


def test_what_runs_is_what_is_tested() -> None:
    runs, tested = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert {name: tested.get(name) for name in runs} == runs


def test_whatever_we_ask_for_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = {re.split(r"[\[<>=!~; ]", one)[0].lower().replace("_", "-") for one in project["dependencies"]}
    assert asked <= set(pinned("requirements.lock"))


def test_what_is_installed_here_has_the_versions_of_the_lock() -> None:
    locked = pinned("requirements-dev.lock")
    here = {re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(): one.version for one in distributions()}
    common = set(here) & set(locked)
    assert len(common) > 40
    assert {name: here[name] for name in common} == {name: locked[name][0] for name in common}


def test_setup_installs_by_hash_and_nothing_else() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    installs = re.findall(r"pip install [^\n]*", text)
    assert len(installs) == 2
    assert all("--require-hashes" in one or "--no-deps" in one for one in installs)
    assert "--no-emit-index-url" in text, "whoever locks anew writes no registry of theirs into the lock"
