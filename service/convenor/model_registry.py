"""Import every table, so that the metadata are complete for the application, migrations and tests."""

from importlib import import_module
from pathlib import Path

from sqlmodel import SQLModel

for _module in (
    *sorted(f"convenor.{path.parent.name}.models" for path in Path(__file__).parent.glob("*/models.py")),
    "convenor.database.demo_mark",
    "convenor.database.idempotency",
    "convenor.database.pending_work",
    "convenor_auth.key_check",
    "convenor_auth.models",
):
    import_module(_module)

metadata = SQLModel.metadata
