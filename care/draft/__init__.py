"""One decision in the making: the journey as it would become, and everything that has to be written down with it.

A step (see `care/steps/`) receives a draft and changes it. Nothing is true until the draft's `Commit` has reached
PostgreSQL in one statement; a draft that is thrown away, because a rule refused or a slot was taken, leaves nothing.
"""

from __future__ import annotations

from care.draft.draft import Draft
from care.draft.record import Refused

__all__ = ["Draft", "Refused"]
