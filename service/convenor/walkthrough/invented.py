"""An invented pupil for each run, so that the tour can be repeated on the same demo."""

import random
from typing import Any

from convenor.domain_types.codes import nhs_check_digit, upn_check_letter


def invent_pupil() -> dict[str, Any]:
    """Invent a pupil with a valid UPN of LA 999 and a valid NHS number of the test range (999...)."""
    chance = random.SystemRandom()
    body = f"999{chance.randrange(10_000):04}{chance.randrange(16, 21)}{chance.randrange(1000):03}"
    return {
        "upn": upn_check_letter(body) + body,
        "given_name": chance.choice(["Ash", "Bryn", "Cedar", "Fern", "Linden", "Rowan"]),
        "family_name": chance.choice(["Fieldgate", "Hazelden", "Marshwood", "Oakhanger", "Thornbeck"]),
        "date_of_birth": f"{chance.randrange(2014, 2018)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}",
        "sen_provision": "K",
        "nhs_number": _invent_nhs_number(chance),
    }


def _invent_nhs_number(chance: random.SystemRandom) -> str:
    while True:
        first = f"9999{chance.randrange(100_000):05}"
        check = nhs_check_digit(first)
        if check is not None:
            return f"{first}{check}"
