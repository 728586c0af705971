"""Store, acknowledge, act: what comes in is stored before it is acknowledged, and acted upon after that.

    bytes -> (a protocol's reader) -> Meaning -> take_in: one statement -> the protocol's answer
                                                     |
                                      relay: starts journeys; carries out asks

A protocol (FHIR, HL7 v2) reads a message into its `Meaning` and answers with what `take_in` says became of it. What a
message asks of a journey (`Ask`) waits in PostgreSQL until it is done, refused, or put before a person.
"""

from gateway.inbound.meaning import (
    About,
    Ask,
    Asked,
    Envelope,
    Meaning,
    NewReferral,
    Noted,
    Protocol,
    Refused,
)
from gateway.inbound.taking import Taken, take_in

__all__ = [
    "About",
    "Ask",
    "Asked",
    "Envelope",
    "Meaning",
    "NewReferral",
    "Noted",
    "Protocol",
    "Refused",
    "Taken",
    "take_in",
]
