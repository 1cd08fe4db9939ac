"""A test that never ends, for the test of what an ended run leaves behind. No other run collects it."""

import threading
from pathlib import Path

from support.databases import Server


def test_a_run_goes_on_until_it_is_ended(server: Server) -> None:
    (Path.cwd() / "data_dir").write_text(str(server.data_dir), encoding="utf-8")
    (Path.cwd() / "ready").touch()
    threading.Event().wait()
