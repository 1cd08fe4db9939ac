"""Read query strings by one rule for every address.

Source: RFC 3986, section 2.1; WHATWG URL, section 5.1 (`application/x-www-form-urlencoded`).
"""

import re
from collections.abc import Collection, Iterable, Mapping
from urllib.parse import parse_qsl

from convenor.problems import FieldErrors, IdentifierInAddress, Unreadable

MAX_PARAMETERS = 100
NO_PARAMETERS = "This address accepts no parameters."
_IDENTIFIERS = frozenset({"upn", "nhsnumber"})


def read_pairs(raw: bytes) -> list[tuple[str, str]]:
    """Return the parameters of a query string, in order.

    Raises:
        Unreadable: it is not percent-encoded UTF-8, or there are more than `MAX_PARAMETERS`.
    """
    if raw.count(b"&") >= MAX_PARAMETERS:
        raise Unreadable(f"The query string has more than {MAX_PARAMETERS} parameters.")
    try:
        return parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise Unreadable("The query string is not valid percent-encoded UTF-8.") from error


def refuse_identifiers(names: Iterable[str]) -> None:
    """Refuse parameters that hold a pupil's number, however their names are written: addresses are logged.

    Raises:
        IdentifierInAddress: one of them does.
    """
    if any(re.sub("[^a-z]", "", name.lower()) in _IDENTIFIERS for name in names):
        raise IdentifierInAddress


def read_parameters(
    raw: bytes, known: Collection[str], errors: FieldErrors, lists: Collection[str] = ()
) -> dict[str, str]:
    """Return the known parameters of a query string; an unknown or repeated one is an error.

    Those in `lists` may be repeated: their values are joined by commas, by which one value of several is separated too.

    Raises:
        Unreadable: as `read_pairs`.
        IdentifierInAddress: as `refuse_identifiers`.
    """
    values: dict[str, list[str]] = {}
    for name, value in read_pairs(raw):
        values.setdefault(name, []).append(value)
    refuse_identifiers(values)
    given = {}
    for name, (first, *more) in values.items():
        value = ",".join([first, *more])
        pointer = f"/query/{name.replace('~', '~0').replace('/', '~1')}"
        if name not in known:
            detail = f"No such parameter. Known parameters: {', '.join(known)}." if known else NO_PARAMETERS
            errors.add(pointer, "unknown_parameter", detail)
        elif more and name not in lists:
            errors.add(pointer, "repeated_parameter", "Give this parameter once.")
        elif "\x00" in value:
            errors.add(pointer, "text", "NUL characters are not allowed.")
        else:
            given[name] = value
    return given


def read_flag(given: Mapping[str, str], name: str, errors: FieldErrors) -> bool:
    """Read a parameter that is true or false; false by default."""
    if given.get(name, "false") not in ("true", "false"):
        errors.add(f"/query/{name}", "boolean", f"`{name}` is true or false.")
    return given.get(name) == "true"
