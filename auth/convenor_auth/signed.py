"""Read and verify compact JWS (RFC 7515) of any origin."""

import json
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.util import urlsafe_b64decode

from convenor_auth.refusals import Refusal

MAX_BYTES = 8_192


class Unreadable(Refusal):
    """A signed JWT has three base64url parts, of which the first two are JSON objects, and at most 8 kB."""


def read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the **unverified** header and claims. Use them only to find the key, until `is_signed`.

    Raises:
        Unreadable: it is malformed. joserfc fails on a header that is not an object, and Python's JSON reader on deep
            nesting (RecursionError); both would cause a 500.
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
    """Check whether `key` signed this token with exactly this algorithm; ignore keys inside the token."""
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    try:
        jws.deserialize_compact(token, key, registry=registry)
    except (JoseError, ValueError):
        return False
    return True
