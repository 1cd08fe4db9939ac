"""Read the form of a token request strictly, because anybody may send one."""

import re
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749.errors import InvalidRequestError
from fastapi import Request

MAX_BYTES = 65_536
MAX_PARAMETERS = 50
FORM = "application/x-www-form-urlencoded"

_VISIBLE = re.compile(r"[\x20-\x7e]*")


async def read_form(request: Request) -> dict[str, str]:
    """Return the parameters of the body. One without a value counts as absent (RFC 6749 section 3.2).

    Raises:
        InvalidRequestError: not a form, too large (status 413), a repeated parameter, or a character outside the
            printable ASCII of RFC 6749 appendix A.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise InvalidRequestError(f"The Content-Type must be {FORM}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise InvalidRequestError("The body is larger than 64 kB.", status_code=413)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise InvalidRequestError(f"The body is not a form of at most {MAX_PARAMETERS} parameters.") from None
    if not all(_VISIBLE.fullmatch(text) for pair in pairs for text in pair):
        raise InvalidRequestError("The parameters must be printable ASCII.")
    form = dict(pairs)
    if len(form) != len(pairs):
        raise InvalidRequestError("A parameter is repeated.")
    form = {name: value for name, value in form.items() if value}
    if "grant_type" not in form:
        raise InvalidRequestError("The parameter grant_type is missing.")
    return form
