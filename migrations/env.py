"""Run the migrations on the owner's connection, which the configuration's attribute `connection` holds."""

from typing import Any

from alembic import context
from sqlalchemy import Connection

from convenor.model_registry import metadata


def render_item(kind: str, item: Any, autogen: Any) -> str | bool:
    """Render SQLModel's types as SQLAlchemy's, so that revisions depend on SQLAlchemy only."""
    if kind == "type" and type(item).__module__.startswith("sqlmodel"):
        name = type(item).__name__
        return {"AutoString": "sa.Text()", "UTCDateTime": "sa.DateTime(timezone=True)"}[name]
    return False


def compare_type(_context: Any, _inspected: Any, _column: Any, inspected: Any, declared: Any) -> bool | None:
    """Ignore the lengths of text, because the API checks them, not the database."""
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
