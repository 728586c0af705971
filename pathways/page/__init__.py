"""One page for each pathway, as markdown: everything that a clinician has to read before signing it."""

from pathways.page.index import index
from pathways.page.whole import page

__all__ = ["index", "page"]
