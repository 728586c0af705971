"""Who sends: names are claims, certificates are proof, and each is only taken for what it is."""

from __future__ import annotations

import pytest

from gateway.hl7.senders import UnknownSender, sender_of
from records.hl7 import Hl7Client

NAMED = Hl7Client(id="northside", senders=("EPICARE|NORTHSIDE", "CADENCE|NORTHSIDE"), certificate=None)
PROVEN = Hl7Client(id="harbour", senders=("ORSOS|HARBOUR",), certificate="AB:CD:EF")
ANY_NAME = Hl7Client(id="gatehouse", senders=(), certificate="0102")
CLIENTS = (NAMED, PROVEN, ANY_NAME)


@pytest.mark.parametrize(
    ("claimed", "certificate", "sender"),
    [
        ("EPICARE|NORTHSIDE", None, "client:northside"),
        ("CADENCE|NORTHSIDE", None, "client:northside"),
        ("ORSOS|HARBOUR", "abcdef", "client:harbour"),
        ("WHATEVER|HOUSE", "0102", "client:gatehouse"),
    ],
)
def test_registered_systems_are_known(claimed: str, certificate: str | None, sender: str) -> None:
    assert sender_of(CLIENTS, claimed, certificate) == sender


@pytest.mark.parametrize("unknown_allowed", [False, True])
@pytest.mark.parametrize(
    ("claimed", "certificate"),
    [
        ("ORSOS|HARBOUR", None),  # its name without its certificate
        ("EPICARE|NORTHSIDE", "abcdef"),  # its certificate with another's name
        ("EPICARE|NORTHSIDE", "ffff"),  # a certificate that nobody registered
    ],
)
def test_nobody_is_taken_for_another(claimed: str, certificate: str | None, unknown_allowed: bool) -> None:
    with pytest.raises(UnknownSender):
        sender_of(CLIENTS, claimed, certificate, unknown_allowed=unknown_allowed)


def test_a_name_that_two_systems_claim_is_nobodys() -> None:
    with pytest.raises(UnknownSender):
        sender_of((NAMED, NAMED.model_copy(update={"id": "other"})), "EPICARE|NORTHSIDE", None, unknown_allowed=True)


def test_systems_that_nobody_registered_are_taken_only_where_that_is_set() -> None:
    with pytest.raises(UnknownSender):
        sender_of(CLIENTS, "NEW|HOUSE", None)
    assert sender_of(CLIENTS, "NEW|HOUSE", None, unknown_allowed=True) == "hl7:NEW|HOUSE"
    assert sender_of((), "B\x1bAD'|H\u00d6USE", None, unknown_allowed=True) == "hl7:B_AD_|H_USE"
