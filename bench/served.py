"""The service, as `convenor serve` runs it, over the measuring database; and the same without its audit.

`served.py PORT` serves, `served.py PORT without_audit` does so without the audit events of reads.
"""

import asyncio
import os
import socket
import sys
from pathlib import Path

import uvicorn
import uvloop

from convenor.app import create_app
from convenor.audit.record import AuditRecord, AuditSource
from convenor.audit.writer import AuditWriter
from convenor.process import configure_server, serve_application


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    port, *without_audit = sys.argv[1:]
    if without_audit:
        AuditWriter.write = _forget  # type: ignore[method-assign]
    app = create_app(os.environ["BENCH_APP_URL"], Path(os.environ["BENCH_DATA_DIR"]), os.environ["BENCH_ISSUER"])
    config = configure_server(app)
    config.load()
    listening = socket.create_server(("127.0.0.1", int(port)))
    with listening, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_application(uvicorn.Server(config), listening, lambda: None))


async def _forget(_writer: AuditWriter, _source: AuditSource, _record: AuditRecord, _status: int) -> None:
    return None


if __name__ == "__main__":
    main()
