"""How much a request may send, for the middleware that checks it and the texts that say so."""

MAX_BODY = 1_000_000
"""Bytes of a body."""
MAX_HELD = 32_000_000
"""Bytes of bodies that one worker holds in memory at a time, bulk imports and `UNCOUNTED` bytes of each left out."""
UNCOUNTED = 65_536
"""First bytes of a body that its connection may hold anyway, so that long bodies of others keep no short one out."""
MAX_BULK = 100_000_000
"""Bytes of a bulk import."""
MAX_LINES = 200_000
"""Lines of a bulk import, blank ones included."""
BODY_SECONDS = 20
"""How long a body may take, from the request to its last byte; in a bulk import, each part of it."""
BULK_PART = 20_000
"""Bytes in such a part. Fewer do not renew the time, so that a client cannot send one byte at a time for ever."""
