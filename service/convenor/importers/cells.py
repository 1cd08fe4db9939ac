"""Read cells as people, spreadsheets and registers write dates, numbers, codes and words.

A message never repeats the cell: a file may turn out to be of something else.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, FiniteFloat
from pydantic_core import PydanticCustomError

from convenor.commissioned_services.models import Audience, DeliveryMode, Evidence, Level, Offer
from convenor.domain_types.codes import AreaOfNeed, CompanyNumber, LaCode, Laestab, Line, Phase, Ukprn, Urn
from convenor.domain_types.dates import FullDate
from convenor.providers.models import ProviderKind
from convenor.schools.models import SchoolStatus

_DATES: Final = {
    r"\d{4}-\d\d-\d\d": "%Y-%m-%d",
    r"\d{1,2}/\d{1,2}/\d{4}": "%d/%m/%Y",
    r"\d{1,2}-\d{1,2}-\d{4}": "%d-%m-%Y",
    r"\d{8}": "%Y%m%d",
    r"\d{4}-[A-Za-z]{3}-\d\d": "%Y-%b-%d",
}
"""The forms of a date. The month never comes first, and a year has four digits."""
_TIME: Final = re.compile(r"[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$")


def _iso_date(text: str) -> str:
    plain = _TIME.sub("", text)
    for pattern, form in _DATES.items():
        if re.fullmatch(pattern, plain, re.ASCII):
            try:
                return datetime.strptime(plain, form).date().isoformat()  # noqa: DTZ007 - a date alone
            except ValueError:
                break
    raise PydanticCustomError("date_format", "This is no date. Write it as 2026-01-20 or 20/01/2026.")


def _number(text: str) -> str:
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", text):
        text = text.replace(",", "")
    return re.sub(r"(?<=\d)\.0+$", "", text)


def _digits(text: str) -> str:
    if re.fullmatch(r"\d([.,]\d+)?E\+?\d+", text, re.IGNORECASE):
        raise PydanticCustomError(
            "rounded", "A spreadsheet has rounded this number. Format the column as text, and export it again."
        )
    return re.sub(r"(?<=\d)\.0+$", "", text)


def _laestab(text: str) -> str:
    return re.sub(r"^(\d{3})/(\d{4})$", r"\1\2", _digits(text))


def _company_number(text: str) -> str:
    number = _digits(text).upper()
    return number.zfill(8) if number.isdigit() else number


def _form(text: str) -> str:
    return re.sub("[^a-z0-9]+", "_", text.casefold().replace("&", " and ")).strip("_")


def _words(kind: type[StrEnum], more: Mapping[str, StrEnum] | None = None) -> Callable[[str], str]:
    """Return what reads a word of a closed list in any of its forms: its value, its name, or one of `more`."""
    known = {_form(form): word.value for word in kind for form in (word.value, word.name)}
    known |= {form: word.value for form, word in (more or {}).items()}
    return lambda text: known.get(_form(text), text)


_STATUSES = {
    "1": SchoolStatus.OPEN,
    "2": SchoolStatus.CLOSED,
    "3": SchoolStatus.OPEN,
    "open_but_proposed_to_close": SchoolStatus.OPEN,
    "4": SchoolStatus.PROPOSED,
    "proposed_to_open": SchoolStatus.PROPOSED,
}
_PHASES = {
    "0": Phase.NOT_APPLICABLE,
    "1": Phase.NURSERY,
    "2": Phase.PRIMARY,
    "3": Phase.MIDDLE_DEEMED_PRIMARY,
    "4": Phase.SECONDARY,
    "5": Phase.MIDDLE_DEEMED_SECONDARY,
    "6": Phase.SIXTEEN_PLUS,
    "16_plus": Phase.SIXTEEN_PLUS,
    "7": Phase.ALL_THROUGH,
}
"""The codes and words of the national register, Get Information about Schools."""
_NEEDS = {
    "social_emotional_and_mental_health": AreaOfNeed.SEMH,
    "communication_and_interaction": AreaOfNeed.COMMUNICATION_AND_INTERACTION,
    "cognition_and_learning": AreaOfNeed.COGNITION_AND_LEARNING,
    "sensory_and_physical": AreaOfNeed.PHYSICAL_AND_SENSORY,
    "sensory_and_or_physical": AreaOfNeed.PHYSICAL_AND_SENSORY,
}
_KINDS = {
    "local_authority_team": ProviderKind.LA_TEAM,
    "charity": ProviderKind.THIRD_SECTOR,
    "voluntary": ProviderKind.THIRD_SECTOR,
}

Day = Annotated[FullDate, BeforeValidator(_iso_date)]
Count = Annotated[int, Field(ge=0, lt=2**31), BeforeValidator(_number)]
"""A number that a column of the database can hold."""
Value = Annotated[FiniteFloat, BeforeValidator(_number)]
UrnCell = Annotated[Urn, BeforeValidator(_digits)]
UkprnCell = Annotated[Ukprn, BeforeValidator(_digits)]
LaestabCell = Annotated[Laestab, BeforeValidator(_laestab)]
LaCodeCell = Annotated[LaCode, BeforeValidator(_digits)]
EstablishmentNumber = Annotated[str, Field(pattern="^[0-9]{4}$"), BeforeValidator(_digits)]
CompanyNumberCell = Annotated[CompanyNumber, BeforeValidator(_company_number)]
PhaseWord = Annotated[Phase, BeforeValidator(_words(Phase, _PHASES))]
StatusWord = Annotated[SchoolStatus, BeforeValidator(_words(SchoolStatus, _STATUSES))]
NeedWord = Annotated[AreaOfNeed, BeforeValidator(_words(AreaOfNeed, _NEEDS))]
KindWord = Annotated[ProviderKind, BeforeValidator(_words(ProviderKind, _KINDS))]
OfferWord = Annotated[Offer, BeforeValidator(_words(Offer))]
LevelWord = Annotated[Level, BeforeValidator(_words(Level))]
AudienceWord = Annotated[Audience, BeforeValidator(_words(Audience))]
ModeWord = Annotated[DeliveryMode, BeforeValidator(_words(DeliveryMode))]
EvidenceWord = Annotated[Evidence, BeforeValidator(_words(Evidence))]


def _split(text: Any) -> Any:
    return [each.strip() for each in text.split(";") if each.strip()]


Several = Annotated[list[Line], BeforeValidator(_split)]
"""Codes with semicolons between them."""
