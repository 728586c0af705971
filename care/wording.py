"""Words looked for in what a referrer wrote. A word found raises a question or a candidate; it never settles one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_WORD = re.compile(r"\w+")


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text as they are compared: without case, accents and punctuation, in any script."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return tuple(_WORD.findall(bare.casefold()))


class Text:
    """What a referrer wrote, ready to be asked for many terms.

    `no numb saddle` holds `numb saddle`: a negation is not trusted, for it may belong to another word.
    """

    def __init__(self, texts: Iterable[str], *, longest: int) -> None:
        self._phrases: set[tuple[str, ...]] = set()
        for text in texts:
            words = words_of(text)
            for length in range(1, longest + 1):
                self._phrases.update(words[n : n + length] for n in range(len(words) - length + 1))

    def holds(self, term: str) -> bool:
        """Whether the term's words stand in it, one after the other, as whole words."""
        return words_of(term) in self._phrases
