"""The service, as `convenor serve` runs it, over the measuring database."""

import os
from pathlib import Path

from convenor.app import create_app

app = create_app(os.environ["BENCH_APP_URL"], Path(os.environ["BENCH_DATA_DIR"]), os.environ["BENCH_ISSUER"])
