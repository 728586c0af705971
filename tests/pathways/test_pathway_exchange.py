"""Pathways as FHIR: our own export comes back unchanged or says where it was edited; others' are read or refused."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from care.pathway import Pathway
from gateway.fhir.decode import decode_object
from pathways import loader
from pathways.exchange import files, names
from pathways.exchange.export import bundle, resources
from pathways.exchange.reading import read
from pathways.exchange.result import Imported, Refused

ALL = loader.load_all()
LIBRARY = loader.library()
LABELS = sorted(p.label for p in ALL.values())
INPUTS = Path(__file__).resolve().parents[3] / "shared" / "inputs"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "plan_definitions"


def pathway(label: str) -> Pathway:
    return next(p for p in ALL.values() if p.label == label)


def sent(what: Any) -> Any:
    """As it is after it has been a text."""
    return json.loads(json.dumps(what))


def one(given: list[Any]) -> Imported | Refused:
    (result,) = read(given, LIBRARY)
    return result


# --- our own


@pytest.mark.parametrize("label", LABELS)
def test_our_export_comes_back_unchanged(label: str, tmp_path: Path) -> None:
    before = pathway(label)
    result = one([decode_object(json.dumps(bundle([before])).encode())])
    assert isinstance(result, Imported), result
    assert result.unchanged
    assert result.notes == ()
    assert result.pathway == before
    files.write([result.pathway], tmp_path)
    assert list(loader.load_all(tmp_path).values()) == [before]


def test_all_of_them_in_one_bundle(tmp_path: Path) -> None:
    ours = list(loader.latest().values())
    results = read([sent(bundle(ours))], LIBRARY)
    assert [r.pathway for r in results if isinstance(r, Imported) and not r.notes] == ours


def test_the_same_content_gives_the_same_text() -> None:
    before = pathway(LABELS[0])
    again = Pathway.model_validate_json(before.model_dump_json())
    assert json.dumps(bundle([before])) == json.dumps(bundle([again]))


def test_what_servers_add_is_no_edit() -> None:
    given = [sent(r) for r in resources(pathway("low_back_pain@1"))]
    for resource in given:
        resource["meta"] = {"versionId": "7", "lastUpdated": "2026-01-01T00:00:00Z"}
        resource["text"] = {"status": "generated", "div": "<div>made by a server</div>"}
    shuffled = [dict(reversed(resource.items())) for resource in given]
    result = one(shuffled)
    assert isinstance(result, Imported), result
    assert result.unchanged


def test_numbers_may_come_back_with_or_without_a_point() -> None:
    def other_way(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: other_way(v) for k, v in value.items()}
        if isinstance(value, list):
            return [other_way(v) for v in value]
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            return value
        return int(value) if isinstance(value, float) else float(value)

    assert isinstance(one([other_way(sent(r)) for r in resources(pathway("total_knee_replacement@1"))]), Imported)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from leaves(inner, (*path, n))
    else:
        yield path


def edited(resource: Any, path: tuple[str | int, ...]) -> Any:
    other = copy.deepcopy(resource)
    inside = other
    for part in path[:-1]:
        inside = inside[part]
    old = inside[path[-1]]
    inside[path[-1]] = not old if isinstance(old, bool) else old + 1 if isinstance(old, int | float) else f"{old}x"
    return other


def spoken(path: tuple[str | int, ...]) -> str:
    words = ""
    for part in path:
        words += f"[{part}]" if isinstance(part, int) else f".{part}" if words else part
    return words


def planted_edits() -> list[Any]:
    """Every kind of element of every kind of resource, some of each."""
    by_kind: dict[str, list[Any]] = {}
    for n, resource in enumerate(resources(pathway("total_knee_replacement@1"))):
        for path in leaves(resource):
            if path[0] in ("extension", "resourceType", "id"):
                continue
            shape = f"{resource['resourceType']}:{'.'.join(p for p in path if isinstance(p, str))}"
            by_kind.setdefault(shape, []).append((n, path))
    return [pytest.param(*cases[len(cases) // 2], id=shape) for shape, cases in sorted(by_kind.items())]


EXPORTED = [sent(r) for r in resources(pathway("total_knee_replacement@1"))]


@pytest.mark.parametrize(("n", "path"), planted_edits())
def test_every_edit_of_a_standard_element_is_told_with_its_place(n: int, path: tuple[str | int, ...]) -> None:
    given = [edited(r, path) if i == n else r for i, r in enumerate(EXPORTED)]
    result = one(given)
    assert isinstance(result, Refused)
    assert any(reason.where.endswith(f": {spoken(path)}") for reason in result.reasons), result.reasons


@pytest.mark.parametrize(
    ("old", "new"),
    [('"call_within_days":3', '"call_within_days":9'), ('"name":"emergency now"', '"name":"it can wait"')],
    ids=["said in the standard part too", "said nowhere else"],
)
def test_an_edit_of_the_content_alone_is_told(old: str, new: str) -> None:
    given = copy.deepcopy(EXPORTED)
    (content,) = (e for e in given[0]["extension"] if e["url"] == names.CONTENT)
    assert old in content["valueString"]
    content["valueString"] = content["valueString"].replace(old, new)
    assert isinstance(one(given), Refused)


def test_an_element_taken_out_or_added_is_told() -> None:
    given = copy.deepcopy(EXPORTED)
    del given[0]["goal"]
    given[0]["copyright"] = "somebody"
    result = one(given)
    assert isinstance(result, Refused)
    told = {reason.where.split(": ")[-1]: reason.what for reason in result.reasons}
    assert told["goal"] == "was taken out"
    assert told["copyright"] == "was added"


def test_what_did_not_come_is_named() -> None:
    result = one(EXPORTED[:-1])
    assert isinstance(result, Imported)
    assert EXPORTED[-1]["id"] in result.notes[0]


def test_an_export_in_an_older_form_is_no_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    older = copy.deepcopy(EXPORTED)
    from pathways.exchange import own

    def newer(found: Pathway) -> list[dict[str, Any]]:
        return [{**r, "publisher": "a later version writes one"} for r in resources(found)]

    monkeypatch.setattr(own, "resources", newer)
    assert isinstance(one(older), Imported)


def test_a_content_that_cannot_be_read_is_one_reason() -> None:
    given = copy.deepcopy(EXPORTED[:1])
    given[0]["extension"][0]["valueString"] = '{"id": "x"}'
    result = one(given)
    assert isinstance(result, Refused)
    assert len(result.reasons) == 1


# --- as files


def test_a_library_that_differs_comes_along(tmp_path: Path) -> None:
    before = pathway("low_back_pain@1")
    odi = before.measure("odi")
    assert odi is not None
    measures = tuple(m.model_copy(update={"mdc": 11.0}) if m.id == "odi" else m for m in before.measures)
    other = before.model_copy(update={"measures": measures})
    files.write([other], tmp_path)
    assert list(loader.load_all(tmp_path).values()) == [other]
    assert (tmp_path / "library").is_dir()
    third = before.model_copy(update={"version": 3})
    with pytest.raises(files.FilesError, match=r"odi: the library in .* says something else"):
        files.write([third], tmp_path)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    before = pathway("stroke@1")
    (written,) = files.write([before], tmp_path)
    written.write_text("mine", "utf-8")
    with pytest.raises(files.FilesError, match="already"):
        files.write([before], tmp_path)
    assert written.read_text("utf-8") == "mine"


def test_a_service_line_is_no_way_out_of_the_folder(tmp_path: Path) -> None:
    before = pathway("stroke@1").model_copy(update={"service_line": "../../etc"})
    (written,) = files.write([before], tmp_path / "in")
    assert (tmp_path / "in") in written.resolve().parents


# --- others'


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}.json").read_text("utf-8"))


def test_a_course_of_therapy_becomes_a_sketch_with_gaps(tmp_path: Path) -> None:
    result = one([fixture("course-of-therapy")])
    assert isinstance(result, Imported), result
    found = result.pathway
    assert (result.unchanged, found.status, found.id, found.version) == (False, "sketch", "neck_course", 2)
    (dose,) = found.dosing
    assert (dose.discipline, dose.visits, dose.weeks, dose.visits_per_week) == ("physiotherapy", (6, 8), 6, 1.5)
    (goal,) = found.goals
    assert (goal.measure, goal.reach) == ("nprs", 2)
    assert found.measure("nprs") == LIBRARY.measures["nprs"]
    assert [(c.system, c.code) for c in found.codes] == [("http://hl7.org/fhir/sid/icd-10-cm", "M54.2")]
    assert [(e.fact, e.op, e.value) for e in found.exclude] == [("age", "<", 18)]
    gaps = " | ".join(found.gaps)
    assert "Fracture Ruled Out" in gaps
    assert "version 2.1.0 there is version 2 here" in gaps
    assert "Tell the family doctor" in gaps
    assert "not said as one of physiotherapy" in gaps
    files.write([found], tmp_path)
    assert loader.load("neck_course", directory=tmp_path) == found


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ({"type": {"coding": [{"code": "eca-rule"}]}}, "PlanDefinition.type", "course of care"),
        ({"status": "retired"}, "PlanDefinition.status", "replaced"),
        ({"library": [{"reference": "Library/1"}]}, "PlanDefinition.library", "STU3"),
        ({"contributor": [{"type": "author"}]}, "PlanDefinition.contributor", "STU3"),
        ({"title": 7}, "PlanDefinition.title", "another type"),
        ({"action": [{"title": "x", "action": {"a": 1}}]}, "PlanDefinition.action[0].action", "another type"),
        ({"goal": [], "action": []}, "PlanDefinition.goal", "target measure"),
        (
            {"contained": [{"resourceType": "ActivityDefinition", "id": "pt", "kind": "MedicationRequest"}]},
            "PlanDefinition.action[0].definitionCanonical",
            "no prescriptions",
        ),
    ],
)
def test_a_planted_fault_is_refused_with_its_place(change: dict[str, Any], where: str, what: str) -> None:
    result = one([fixture("course-of-therapy") | change])
    assert isinstance(result, Refused)
    assert any(r.where == where and what in r.what for r in result.reasons), result.reasons


def test_two_names_for_one_pathway_are_two_folders(tmp_path: Path) -> None:
    result = one([fixture("course-of-therapy")])
    assert isinstance(result, Imported)
    with pytest.raises(files.FilesError, match="two folders"):
        files.write([result.pathway, result.pathway], tmp_path)


def plan_definitions() -> list[Path]:
    if not INPUTS.is_dir():
        return []
    return [
        path
        for path in sorted(INPUTS.rglob("*.json"))
        if b'"PlanDefinition"' in (raw := path.read_bytes())
        and decode_object(raw).get("resourceType") == "PlanDefinition"
    ]


@pytest.mark.skipif(not INPUTS.is_dir(), reason="the public samples are not on this machine")
def test_every_public_sample_is_imported_or_refused_with_reasons() -> None:
    paths = plan_definitions()
    assert len(paths) >= 9
    came = {path.name: one([decode_object(path.read_bytes())]) for path in paths}
    assert isinstance(came["PlanDefinition-protocol-example.json"], Imported)
    for result in came.values():
        if isinstance(result, Refused):
            assert result.reasons
            assert all(r.where.startswith("PlanDefinition") and len(r.what) > 10 for r in result.reasons)


def _damaged(value: Any, chance: random.Random) -> Any:
    if isinstance(value, dict):
        return {k: _damaged(v, chance) for k, v in value.items() if chance.random() > 0.02}
    if isinstance(value, list):
        return [_damaged(v, chance) for v in value]
    if chance.random() < 0.05:
        return chance.choice(
            [None, 7, -1, 1e9, "", " ", "x" * 300, [], {}, [value], {"a": value}, True, "\u00e9\u0000"]
        )
    return value


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_one_is_never_a_traceback(seed: int) -> None:
    chance = random.Random(seed)
    given = [fixture("course-of-therapy"), sent(bundle([pathway("stroke@1")]))]
    for result in read([_damaged(g, chance) for g in given], LIBRARY):
        assert isinstance(result, Imported) or result.reasons
