"""Find spellings that probably name one school. A person decides."""

import re
import unicodedata
from typing import Final

from convenor.domain_types.codes import composed

_WORDS_THAT_SAY_LITTLE: Final = frozenset({"primary", "school", "the"})
_SAME_WORD: Final = {"saint": "st", "road": "rd"}


def likely_same(name: str) -> tuple[str, ...]:
    """Return what two spellings of one school's name share: its distinctive words, in alphabetical order.

    Case, accents, punctuation and the order of words do not count, nor do `primary`, `school` and `the`; `Saint` counts
    as `St`. So "St Mary’s Yate" and "St Mary’s Primary – Yate" are both `("marys", "st", "yate")`. A name of words that
    say little keeps them all.
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    plain = re.sub(r"['’‘`´\u0300-\u036f]", "", plain)
    words = [_SAME_WORD.get(word, word) for word in re.findall(r"[a-z0-9]+", plain)]
    return tuple(sorted([word for word in words if word not in _WORDS_THAT_SAY_LITTLE] or words))


def same_letters(name: str) -> str:
    """Return a name without case, spaces and punctuation."""
    return "".join(character for character in composed(name).casefold() if character.isalnum())
