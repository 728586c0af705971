"""A journey taken over from other records: it begins in its stage, as if it had come there by the ordinary way.

The same functions set it up. What had run out before begins as its clock says (`backdated`, see `care/clock.py`), and
nobody is told what they were told long ago. Every state that comes of it has a live clock.
"""

from __future__ import annotations

from care.steps.caseload.adopting import actor, adopt

__all__ = ["actor", "adopt"]
