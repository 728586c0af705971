"""Modalities: may this treatment be booked for this patient, or what has to be asked before."""

from __future__ import annotations

from care.condition import to_ask, truth
from care.gate import Facts
from care.model import Model, Slug
from care.red_flag import Contraindication
from care.rules import Rule
from care.rules.screening import known


class Wish(Model):
    """The modalities wanted, the answers given so far, and the facts that answer by themselves."""

    modalities: tuple[Contraindication, ...]
    answers: dict[Slug, bool]
    facts: Facts = {}


class Verdict(Model):
    """Of one modality: whether it is forbidden, and by which signs; what has to be asked; what asks for caution."""

    modality: Slug
    forbidden: bool = False
    because: tuple[Slug, ...] = ()
    ask: tuple[Slug, ...] = ()
    caution: tuple[Slug, ...] = ()


class Verdicts(Model):
    """One for each modality, in their order."""

    modalities: tuple[Verdict, ...] = ()


def decide(wish: Wish) -> Verdicts:
    """A missing answer neither forbids nor allows: it has to be asked first."""
    return Verdicts(modalities=tuple(_verdict(entry, wish) for entry in wish.modalities))


def _verdict(entry: Contraindication, wish: Wish) -> Verdict:
    facts = known(entry.signs, wish.answers, wish.facts)
    present = tuple(sign.id for sign in entry.signs if facts.answers.get(sign.id))
    warned = () if entry.caution is None else to_ask(entry.caution, facts)
    if truth(entry.forbids, facts):
        careful = set() if entry.caution is None else {s for s in present if s == entry.caution}
        return Verdict(modality=entry.id, forbidden=True, because=tuple(s for s in present if s not in careful))
    caution = present if entry.caution is not None and truth(entry.caution, facts) else ()
    return Verdict(
        modality=entry.id, ask=tuple(dict.fromkeys((*to_ask(entry.forbids, facts), *warned))), caution=caution
    )


MODALITIES = Rule("check_modalities", 1, Wish, decide)
