"""What notices say, in each language: content as data (`en.yaml`, `ar.yaml`), and the code that fills it in."""

from channels.templates.fill import Filled, Item, render, render_digest, render_waiting
from channels.templates.words import LANGUAGES, language_for

__all__ = ["LANGUAGES", "Filled", "Item", "language_for", "render", "render_digest", "render_waiting"]
