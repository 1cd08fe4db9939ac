"""Define the codes of education, health and government as validated types.

An invalid code raises a `PydanticCustomError` with a stable error code (`upn_format`, `upn_check_letter`, ...) and a
message that says how to correct it. The message never repeats the value: a UPN or an NHS number is personal data.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, LiteralString, cast

from annotated_types import GroupedMetadata
from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler, StringConstraints, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError

_UPN_LETTERS: Final = "ABCDEFGHJKLMNPQRTUVWXYZ"
_UPN_BODY: Final = f"[0-9]{{11}}[0-9{_UPN_LETTERS}]"
_UPN: Final = f"[{_UPN_LETTERS}]{_UPN_BODY}"

_NHS_NUMBER_LENGTH: Final = 40
"""The longest form of an NHS number, with its separators."""

_COUNTING: Final = frozenset(("0123456789" * 3)[first:][:length] for first in (0, 1) for length in (10, 11, 12))
"""Digits that count up from 0 or 1, as long as those of an NHS number and of a temporary or permanent UPN."""

# The same expressions are read by Python here and by ECMAScript in the contract, hence \u00XX and no \Z or \x.
# Zero-width: soft hyphen, spaces and joiners. Bidirectional: marks, embeddings, overrides and isolates (Unicode UAX 9).
_UNSEEN: Final = r"\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
# Blank: fillers, variation selectors and the empty Braille cell, which are part of text but show nothing alone.
_BLANK: Final = r"\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
_LINE_CONTROLS: Final = rf"\u0000-\u001f\u007f-\u009f\u2028\u2029{_UNSEEN}"
_PROSE_CONTROLS: Final = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"


def composed(text: str) -> str:
    """Return text in the one form of Unicode that is stored and compared (NFC): é as one character, not as two."""
    return unicodedata.normalize("NFC", text)


# The last annotation comes first, so that all others see what is stored. An earlier one would also hide the text from
# the limits of its length.
_COMPOSED = BeforeValidator(lambda value: composed(value) if isinstance(value, str) else value)


def _shape(pattern: str, code: LiteralString, remedy: LiteralString) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            raise PydanticCustomError(code, remedy)
        return value

    return check


def _placeholder(of_digits: Callable[[str], str], code: LiteralString) -> Callable[[str], str]:
    """Refuse a number that stands for none: one repeated digit, or digits that count up."""

    def check(value: str) -> str:
        digits = of_digits(value)
        if len(set(digits)) == 1 or digits in _COUNTING:
            raise PydanticCustomError(code, "This is a placeholder and no number. Leave the field out.")
        return value

    return check


def _documented(pattern: str, description: str, *examples: str, **limits: int) -> WithJsonSchema:
    schema = {"type": "string", "pattern": f"^{pattern}$", "description": description, "examples": list(examples)}
    return WithJsonSchema(schema | limits)


def _visible(controls: str) -> str:
    return rf"[^{controls}]*[^\s{controls}{_UNSEEN}{_BLANK}][^{controls}]*"


def _text_schema(controls: str, longest: int) -> WithJsonSchema:
    pattern = f"^{_visible(controls)}$"
    return WithJsonSchema({"type": "string", "minLength": 1, "maxLength": longest, "pattern": pattern})


def upn_check_letter(body: str) -> str:
    """Return the check letter that begins a UPN, from its other twelve characters.

    Characters 2 to 13 are weighted 2 to 13; the letter that ends a temporary UPN counts as its index among the 23
    letters in use (no I, O or S). The sum modulo 23 is the index of the check letter.

    Args:
        body: LA (3), establishment (4), year (2), and a serial of 3 digits or, if temporary, 2 digits and a letter.

    Raises:
        ValueError: `body` is not of that shape.

    Source: DfE, Unique pupil numbers: a guide for schools and local authorities, "The national UPN formula".
    """
    if re.fullmatch(_UPN_BODY, body) is None:
        raise ValueError("A UPN without its check letter is eleven digits and a final digit or letter.")
    values = (int(sign) if sign.isdigit() else _UPN_LETTERS.index(sign) for sign in body)
    return _UPN_LETTERS[sum(weight * value for weight, value in enumerate(values, start=2)) % 23]


def _check_upn(value: str) -> str:
    if upn_check_letter(value[1:]) != value[0]:
        raise PydanticCustomError(
            "upn_check_letter",
            "The first letter of this UPN does not agree with the characters after it. "
            "Compare it with the pupil's record in your MIS; it is often a mistyped digit.",
        )
    return value


def is_temporary_upn(upn: str) -> bool:
    """Tell a temporary UPN, which ends in a letter, from a permanent one."""
    return upn[-1].isalpha()


def nhs_check_digit(first_nine: str) -> int | None:
    """Return the check digit of an NHS number, 0 to 9, or None where no number begins with these nine digits.

    Digits are weighted 10 to 2; the check digit is 11 less the sum modulo 11, with 11 read as 0; 10 is never issued.

    Raises:
        ValueError: `first_nine` is not nine digits.

    Source: NHS Data Model and Dictionary, NHS NUMBER.
    """
    if re.fullmatch("[0-9]{9}", first_nine) is None:
        raise ValueError("An NHS number without its check digit is nine digits.")
    remainder = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), first_nine, strict=True)) % 11
    check = (11 - remainder) % 11
    return None if check == 10 else check


def _check_nhs_number(value: str) -> str:
    if nhs_check_digit(value[:9]) != int(value[9]):
        raise PydanticCustomError(
            "nhs_number_check_digit",
            "The last digit of this NHS number does not agree with the nine before it. "
            "Compare it with the patient's record; it is often a mistyped or swapped digit.",
        )
    return value


def _without_separators(value: str) -> str:
    if len(value) > _NHS_NUMBER_LENGTH:
        raise PydanticCustomError("nhs_number_format", "An NHS number is ten digits, the last a check digit.")
    return value.replace(" ", "").replace("-", "")


Upn = Annotated[
    str,
    AfterValidator(_shape(_UPN, "upn_format", "A UPN is a capital letter, eleven digits and a final digit or letter.")),
    AfterValidator(_placeholder(lambda upn: re.sub("[A-Z]", "", upn), "upn_placeholder")),
    AfterValidator(_check_upn),
    _documented(
        _UPN,
        "Unique pupil number, permanent or temporary, with its check letter. The LA code in it need not be in use.",
        "B801200005001",
        "P80320002601A",
    ),
]

NhsNumber = Annotated[
    str,
    AfterValidator(_without_separators),
    AfterValidator(_shape("[0-9]{10}", "nhs_number_format", "An NHS number is ten digits, the last a check digit.")),
    AfterValidator(_placeholder(str, "nhs_number_placeholder")),
    AfterValidator(_check_nhs_number),
    # One pattern for input and output: two would split every model that holds an NHS number in two.
    _documented(
        "(?:[ -]*[0-9]){10}[ -]*",
        "NHS number with its check digit. Spaces and hyphens are accepted and dropped.",
        "9990000018",
        "999 000 0018",
        maxLength=_NHS_NUMBER_LENGTH,
    ),
]

Urn = Annotated[
    str,
    AfterValidator(_shape("[0-9]{6}", "urn_format", "A URN is six digits, as in Get Information about Schools.")),
    _documented("[0-9]{6}", "Unique reference number of a school (GIAS).", "900001"),
]

Ukprn = Annotated[
    str,
    AfterValidator(_shape("[0-9]{8}", "ukprn_format", "A UKPRN is eight digits, as in the register of providers.")),
    _documented("[0-9]{8}", "UK provider reference number.", "99000001"),
]

Laestab = Annotated[
    str,
    AfterValidator(
        _shape("[0-9]{7}", "laestab_format", "A LAESTAB is seven digits without a slash: LA (3), establishment (4).")
    ),
    _documented("[0-9]{7}", "DfE number of a school: LA code (3) and establishment number (4).", "9992001"),
]

OdsCode = Annotated[
    str,
    AfterValidator(_shape("[A-Za-z0-9]{1,9}", "ods_code_format", "An ODS code is one to nine letters and digits.")),
    AfterValidator(str.upper),
    _documented(
        "[A-Za-z0-9]{1,9}",
        "Code of the NHS Organisation Data Service, stored in capitals. Its format does not show its type.",
        "ZZ901",
    ),
]

LaCode = Annotated[
    str,
    AfterValidator(_shape("[0-9]{3}", "la_code_format", "An LA code is the DfE's three digits.")),
    _documented("[0-9]{3}", "DfE code of a local authority.", "999"),
]

GssCode = Annotated[
    str,
    AfterValidator(_shape("E[0-9]{8}", "gss_code_format", "A GSS code of England is the letter E and eight digits.")),
    _documented("E[0-9]{8}", "ONS code of an area in England.", "E99999999"),
]

CompanyNumber = Annotated[
    str,
    AfterValidator(
        _shape(
            "[A-Z0-9]{2}[0-9]{5}[A-Z0-9]",
            "company_number_format",
            "A company number is eight characters: digits filled up with zeros on the left, "
            "or the capital letters of its register before the digits.",
        )
    ),
    _documented(
        "[A-Z0-9]{2}[0-9]{5}[A-Z0-9]", "Number at Companies House, with all eight characters.", "09999999", "CE999999"
    ),
]


_SEEN: Final = "Send text with a character that can be seen."


@dataclass(frozen=True)
class _OneLine(GroupedMetadata):
    """A line of text, 1 to `longest` characters once stripped: one at least is seen, and none is a break or control."""

    longest: int

    def __iter__(self) -> Iterator[object]:
        yield from StringConstraints(strip_whitespace=True, min_length=1, max_length=self.longest)
        yield AfterValidator(
            _shape(
                f"[^{_LINE_CONTROLS}]*",
                "line_control_character",
                "Send one line of text, without control, zero-width and bidirectional characters.",
            )
        )
        yield AfterValidator(_shape(_visible(_LINE_CONTROLS), "line_unseen", _SEEN))
        yield _COMPOSED
        yield _text_schema(_LINE_CONTROLS, self.longest)


# Each length is a type of its own: `Field(max_length=...)` on another one would be lost, or count characters as items.
Line = Annotated[str, _OneLine(200)]
"""A line of text, as of names."""
Reference = Annotated[str, _OneLine(100)]
"""A sender's own id of something."""
ShortLine = Annotated[str, _OneLine(60)]
"""A short line, as of a state or a language."""
Code = Annotated[str, _OneLine(40)]
"""A code."""
Telephone = Annotated[str, _OneLine(30)]
"""A telephone number, as people write it."""
ClusterCode = Annotated[str, _OneLine(20)]
"""The code of a cluster."""


class FreeText:
    """Mark text that may say anything, so that a declaration must say who may read it."""


Prose = Annotated[
    str,
    FreeText,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=4000),
    AfterValidator(
        _shape(
            f"[^{_PROSE_CONTROLS}]*",
            "prose_control_character",
            "Send plain text; of the control characters only line breaks and tabs are allowed.",
        )
    ),
    AfterValidator(_shape(_visible(_PROSE_CONTROLS), "prose_unseen", _SEEN)),
    _COMPOSED,
    _text_schema(_PROSE_CONTROLS, 4000),
]
"""Free text: 1 to 4000 characters once stripped, with line breaks and tabs. It may name a child.

It may hold the zero-width and bidirectional characters that some languages are written with.
"""


class StrictStrEnum(StrEnum):
    """A string enum that strict models accept as text, because JSON has no other form for it."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the enum's schema, which accepts text even in a strict model."""
        return cast(CoreSchema, {**handler(source), "strict": False})


class SenProvision(StrictStrEnum):
    """The support for special educational needs that a pupil has: E (EHC plan), K (SEN Support), N (none)."""

    EHC_PLAN = "E"
    SEN_SUPPORT = "K"
    NONE = "N"


class NeedType(StrictStrEnum):
    """Type of special educational need, as in SEN2 and the school census."""

    SPLD = "SPLD"
    """Specific learning difficulty."""
    MLD = "MLD"
    """Moderate learning difficulty."""
    SLD = "SLD"
    """Severe learning difficulty."""
    PMLD = "PMLD"
    """Profound and multiple learning difficulty."""
    SEMH = "SEMH"
    """Social, emotional and mental health."""
    SLCN = "SLCN"
    """Speech, language and communication needs."""
    HI = "HI"
    """Hearing impairment."""
    VI = "VI"
    """Vision impairment."""
    MSI = "MSI"
    """Multi-sensory impairment."""
    PD = "PD"
    """Physical disability."""
    ASD = "ASD"
    """Autistic spectrum disorder."""
    DS = "DS"
    """Down syndrome."""
    OTH = "OTH"
    """Other difficulty or disability."""
    NSA = "NSA"
    """SEN Support, but no specialist assessment of type of need."""


class AreaOfNeed(StrictStrEnum):
    """Area of need under which clusters commission services: the four of the SEND code of practice, and two more."""

    SEMH = "SEMH"
    """Social, emotional and mental health."""
    COMMUNICATION_AND_INTERACTION = "C&I"
    COGNITION_AND_LEARNING = "C&L"
    PHYSICAL_AND_SENSORY = "P&S"
    OTHER = "Other"
    """Data, transitions, SEND reviews; needs that belong to no one area."""
    ENABLING = "Enabling"
    """Leadership, commissioning, finance, administration: services that meet no pupil's need."""


class Phase(StrictStrEnum):
    """Phase of education of a school, as GIAS gives it."""

    NURSERY = "nursery"
    PRIMARY = "primary"
    MIDDLE_DEEMED_PRIMARY = "middle_deemed_primary"
    MIDDLE_DEEMED_SECONDARY = "middle_deemed_secondary"
    SECONDARY = "secondary"
    ALL_THROUGH = "all_through"
    SIXTEEN_PLUS = "sixteen_plus"
    NOT_APPLICABLE = "not_applicable"
    """GIAS gives no phase to special schools and most alternative provision."""
