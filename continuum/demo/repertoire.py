"""What the demo plays, in this order."""

from __future__ import annotations

from continuum.demo.stories import COURSES, Story
from continuum.demo.troubles import TROUBLES

STORIES: tuple[Story, ...] = (*COURSES, *TROUBLES)
