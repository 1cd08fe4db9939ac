"""Put the sealed fields of an answer in their places.

A row holds one ciphertext for each sensitivity of its fields: the columns as finished JSON, a line each. PostgreSQL
writes the ciphertexts into the answer as members `"$0": "..."`, which no text can forge: a quote in a text is escaped,
and no key of an answer has a `$`. One pass over the bytes then replaces each by the members that the site shows. What
shows no sealed field has no site, and is sent as it is.
"""

import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from convenor.read_model.placeholders import columns_in, table_of
from convenor.read_model.resource import Part, Resource
from convenor.security.sealing import Sealer

_MARKER = re.compile(rb'"\$(\d+)":(?:null|"((?:[^"\\]|\\.)*)")')
ROW_BYTES = 32
"""The area and the id of a row, which are bound in."""

Opened = Mapping[bytes, bytes]
"""The columns of a ciphertext: finished JSON, by name."""


@dataclass(frozen=True)
class SealedTable:
    """The sealed columns of one table.

    Attributes:
        name: Of the table.
        groups: The columns that are sealed together, by the sensitivity of their fields.
        hashed: The columns that have a keyed hash, each with the field by whose name it is hashed.
    """

    name: str
    groups: Mapping[str, tuple[str, ...]]
    hashed: Mapping[str, str]

    @property
    def columns(self) -> tuple[str, ...]:
        """Return every sealed column."""
        return tuple(column for columns in self.groups.values() for column in columns)

    @property
    def ciphertexts(self) -> tuple[str, ...]:
        """Return the columns that hold ciphertexts."""
        return tuple(f"sealed_{group}" for group in self.groups)

    def group_of(self, column: str) -> str | None:
        """Return the group that a column is sealed in, or None."""
        return next((group for group, columns in self.groups.items() if column in columns), None)

    def label(self, group: str) -> bytes:
        """Return what is bound into a ciphertext beside its row."""
        return f"{self.name}.{group}\0".encode()

    def marker(self, group: str, alias: str) -> str:
        """Write the SQL of a ciphertext with its row, or of the columns of a row that is not sealed yet."""
        plain = ", ".join(f"'{column}', {alias}.\"{column}\"" for column in self.groups[group])
        sealed = f"uuid_send({alias}.area_id) || uuid_send({alias}.id) || {alias}.sealed_{group}"
        return f"coalesce(encode({sealed}, 'hex'), json_build_object({plain})::text)"

    def seal(self, sealer: Sealer, row: Mapping[str, Any]) -> dict[str, bytes | None]:
        """Return the columns that are stored in place of a row's sealed ones."""
        bound = row["area_id"].bytes + row["id"].bytes
        sealed: dict[str, bytes | None] = {
            f"sealed_{group}": sealer.seal(self.label(group) + bound, _written(columns, row))
            for group, columns in self.groups.items()
        }
        for column, field in self.hashed.items():
            value = row.get(column)
            sealed[f"{column}_hash"] = None if value is None else sealer.hash(field, value)
        return sealed

    def open(self, sealer: Sealer, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the sealed columns of a row as values of JSON.

        Raises:
            CannotOpen: See `Sealer.open`.
        """
        bound = row["area_id"].bytes + row["id"].bytes
        found: dict[str, Any] = {}
        for group, columns in self.groups.items():
            opened = _lines(sealer.open(self.label(group) + bound, row[f"sealed_{group}"]))
            found |= {column: json.loads(opened.get(column.encode(), b"null")) for column in columns}
        return found


SEALED_TABLES: dict[str, SealedTable] = {}
"""Every sealed table, by name. `sealed_rows.seal_columns` registers one from its declaration."""


@dataclass(frozen=True)
class Stored:
    """Where the value of a field is stored.

    Attributes:
        table: The table.
        columns: Its columns, the first of which that is not null is shown.
        select: Where it is a row beside the declaration's own: the row's alias, and the SQL behind the column.
        group: The group in which they are sealed; empty where they are not.
    """

    table: str
    columns: tuple[str, ...]
    select: tuple[str, str] | None = None
    group: str = ""


def stored_at(declared: Resource | Part, path: str) -> Stored | None:
    """Return where a field of a declaration is stored; None where it is derived."""
    sql = declared.sql.get(path, f"{{t}}.{path.rpartition('.')[2]}")
    if of_row := re.fullmatch(r"\{t\}\.(\w+)|coalesce\((?:\{t\}\.\w+(?:, )?)+\)", sql):
        return Stored(table_of_declared(declared), tuple(columns_in(of_row[0], "t")))
    if beside := re.match(r"\(select (\w+)\.(\w+) (?=from (\w+) \1 where )", sql):
        return Stored(beside[3], (beside[2],), (beside[1], sql[beside.end() :]))
    return None


def sealed_at(declared: Resource | Part, path: str) -> Stored | None:
    """Return where a field is stored, if it is sealed there."""
    stored = stored_at(declared, path)
    table = SEALED_TABLES.get(stored.table) if stored else None
    group = table.group_of(stored.columns[0]) if stored and table else None
    return replace(stored, group=group) if stored and group else None


def table_of_declared(declared: Resource | Part) -> str:
    """Return the table whose row a declaration shows."""
    return declared.table if isinstance(declared, Resource) else table_of(declared.source)


@dataclass(frozen=True)
class Site:
    """A place of an answer where sealed fields stand.

    Attributes:
        label: What is bound into its ciphertext beside the row.
        members: The key of each member, ready for JSON, with the columns the first of which that is not null it shows.
        source: For a place that shows more of a ciphertext which stands before it: the site of that.
    """

    label: bytes
    members: tuple[tuple[bytes, tuple[bytes, ...]], ...]
    source: int | None = None


def reveal(document: bytes, sites: Sequence[Site], sealer: Sealer) -> bytes:
    """Replace the ciphertexts of a document by the members that each site shows.

    Raises:
        CannotOpen: See `Sealer.open`; nothing of the document is then shown.
    """
    opened: dict[int, Opened] = {}

    def members(match: re.Match[bytes]) -> bytes:
        number = int(match[1])
        site = sites[number]
        if site.source is None:
            opened[number] = {} if match[2] is None else _open(site, match[2], sealer)
        values = opened[number if site.source is None else site.source]
        return b",".join([key + _first(values, names) for key, names in site.members])

    return _MARKER.sub(members, document) if sites else document


def _open(site: Site, found: bytes, sealer: Sealer) -> Opened:
    if found.startswith(b"{"):
        plain = json.loads(json.loads(b'"' + found + b'"'))
        return {name.encode(): _json(value) for name, value in plain.items()}
    raw = binascii.unhexlify(found)
    return _lines(sealer.open(site.label + raw[:ROW_BYTES], raw[ROW_BYTES:]))


def _first(values: Opened, names: tuple[bytes, ...]) -> bytes:
    return next((value for name in names if (value := values.get(name, b"null")) != b"null"), b"null")


def _written(columns: Sequence[str], row: Mapping[str, Any]) -> bytes:
    return b"\n".join(b"%s:%s" % (column.encode(), _json(row.get(column))) for column in columns)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=str).encode()


def _lines(content: bytes) -> Opened:
    return dict([line.split(b":", 1) for line in content.split(b"\n")])
