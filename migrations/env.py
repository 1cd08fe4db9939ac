"""Runs the migrations on the owner's connection, given as `connection` in the configuration's attributes."""

from typing import Any

from alembic import context
from sqlalchemy import Connection

from convenor.model_registry import metadata


def render_item(kind: str, item: Any, autogen: Any) -> str | bool:
    """Writes SQLModel's own types as SQLAlchemy's, so that a revision depends on SQLAlchemy alone."""
    if kind == "type" and type(item).__module__.startswith("sqlmodel"):
        name = type(item).__name__
        return {"AutoString": "sa.Text()", "UTCDateTime": "sa.DateTime(timezone=True)"}[name]
    return False


def compare_type(_context: Any, _inspected: Any, _column: Any, inspected: Any, declared: Any) -> bool | None:
    """Text is text, whether or not the field list gives it a length: lengths are the wire's to check."""
    if type(declared).__name__ == "AutoString":
        return type(inspected).__name__ not in ("TEXT", "Text")
    return None


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_item=render_item,
        compare_type=compare_type,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


_run(context.config.attributes["connection"])
