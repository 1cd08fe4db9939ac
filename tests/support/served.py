"""The application for a server process of its own: `uvicorn served:app`."""

import os
from pathlib import Path

from convenor.app import create_app

app = create_app(os.environ["SERVED_APP_URL"], Path(os.environ["SERVED_DATA_DIR"]), os.environ["SERVED_ISSUER"])
