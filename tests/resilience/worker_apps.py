"""What the workers of a test serve: made in each worker process, so a module of its own."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from convenor.configuration_error import ConfigurationError


def refusing() -> FastAPI:
    """An application that cannot start, for a reason that a person must hear."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        raise ConfigurationError("The lamp is out.", "Light it.")
        yield

    return FastAPI(lifespan=lifespan)


def answering() -> FastAPI:
    """An application that says which process answers."""
    app = FastAPI()

    @app.get("/")
    def worker() -> int:
        return os.getpid()

    return app
