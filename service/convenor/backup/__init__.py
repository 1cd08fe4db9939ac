"""`convenor backup` and `convenor restore`: an installation in two files, the database in one and its keys in another.

Every table of an area is behind forced row-level security. `pg_dump` with the owner's login ends with an error for it,
and with `--enable-row-security` writes a file without a row. So a login is used for which row-level security does not
hold, and the rows in the file are counted before a backup counts as made.
"""

from convenor.backup.files import keys_path
from convenor.backup.making import back_up
from convenor.backup.restoring import restore

__all__ = ["back_up", "keys_path", "restore"]
