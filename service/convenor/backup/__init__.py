"""Back up and restore an installation as two files, one with the database and one with its keys.

Every table of an area has forced row-level security. `pg_dump` with the owner's login therefore fails, and with
`--enable-row-security` it writes a file without rows. So a backup uses a login to which row-level security does not
apply, and counts the rows in the file before it is complete.
"""

from convenor.backup.files import keys_path
from convenor.backup.making import back_up
from convenor.backup.restoring import restore

__all__ = ["back_up", "keys_path", "restore"]
