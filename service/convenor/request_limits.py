"""How much a request may send, for the middleware that checks it and the texts that say so."""

MAX_BODY = 1_000_000
"""Bytes of a body."""
MAX_BULK = 100_000_000
"""Bytes of a bulk import."""
MAX_LINES = 200_000
"""Lines of a bulk import, blank ones included."""
BODY_SECONDS = 20
"""How long a body may take, from the request to its last byte; in a bulk import, each part of it."""
BULK_PART = 20_000
"""Bytes in such a part. Fewer do not renew the time, so that a client cannot send one byte at a time for ever."""
