"""Reading compact JWS (RFC 7515) that anybody may have written. It knows neither clients nor tokens."""

import json
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.util import urlsafe_b64decode

from .refusals import Refusal

MAX_BYTES = 8_192


class Unreadable(Refusal):
    """This is no signed JWT: three base64url parts, of which the first two are JSON objects, 8 kB at most."""


def read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The header and the claims, **unproven**: good for finding the key, and for nothing before `is_signed`.

    Raises:
        Unreadable: whatever is wrong with its shape. joserfc assumes a header that is an object, and Python's JSON
            reader gives up with RecursionError on deep nesting; both would be a 500 made by a stranger.
    """
    parts = token.split(".")
    if len(token) > MAX_BYTES or len(parts) != 3:
        raise Unreadable
    try:
        header, claims = (json.loads(urlsafe_b64decode(part.encode("ascii")).decode()) for part in parts[:2])
    except (ValueError, RecursionError):
        raise Unreadable from None
    # `b64` and `crit` (RFC 7797, RFC 7515 section 4.1.11) change what was signed; nothing here uses them.
    if not isinstance(header, dict) or not isinstance(claims, dict) or not header.keys().isdisjoint({"crit", "b64"}):
        raise Unreadable
    return header, claims


def is_signed(token: str, key: Key, algorithm: str) -> bool:
    """Whether `key` signed this token with exactly this algorithm. Keys named inside the token are ignored."""
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        jws.deserialize_compact(token, key, registry=registry)
    except (JoseError, ValueError):
        return False
    return True
