"""Compare the names of pupils, however they are spelt."""

import unicodedata

from convenor.domain_types.codes import composed
from convenor.pupils.models import PupilStatement

_APOSTROPHES_AND_SOFT_HYPHEN = frozenset("'\u2018\u2019\u02bc\u00b4\u0060\u2032\u00ad")
_HYPHENS_AND_SPACES = ("Pd", "Zs")
"""The categories of Unicode that hold every other hyphen, and every space."""


def name_key(statement: PupilStatement) -> tuple[object, ...]:
    """Return what spellings of one name have in common, with the date of birth.

    Given and family name may change places. Accents are kept; spaces, hyphens and apostrophes are not.
    """
    return statement.date_of_birth, *sorted(map(_letters_of, (statement.given_name, statement.family_name or "")))


def _letters_of(name: str) -> str:
    # Folding the case takes some characters apart, and dropping a sign brings others together.
    return composed("".join(filter(_is_letter, composed(name).casefold())))


def _is_letter(sign: str) -> bool:
    return sign not in _APOSTROPHES_AND_SOFT_HYPHEN and unicodedata.category(sign) not in _HYPHENS_AND_SPACES
