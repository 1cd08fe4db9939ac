"""What no feature owns: settings, database, errors, principal, reading, audit, idempotency, wire."""
