"""The service, as `convenor serve` runs it, over the measuring database; and the same without its audit."""

import os
from pathlib import Path

from fastapi import FastAPI

from convenor.app import create_app
from convenor.audit.record import AuditRecord, AuditSource
from convenor.audit.writer import AuditWriter
from convenor.process import freeze_garbage


def make() -> FastAPI:
    """Make the service."""
    app = create_app(os.environ["BENCH_APP_URL"], Path(os.environ["BENCH_DATA_DIR"]), os.environ["BENCH_ISSUER"])
    freeze_garbage()
    return app


def make_without_audit() -> FastAPI:
    """Make the service without the audit events of reads."""
    AuditWriter.write = _forget  # type: ignore[method-assign]
    return make()


async def _forget(_writer: AuditWriter, _source: AuditSource, _record: AuditRecord, _status: int) -> None:
    return None
