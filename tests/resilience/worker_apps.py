"""What the workers of a test serve: made in each worker process, so a module of its own."""

import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from convenor.configuration_error import ConfigurationError

REFUSES = "LAMP_IS_OUT"
"""A variable of the environment of workers that are not to start."""


def refusing() -> FastAPI:
    """An application that cannot start, for a reason that a person must hear."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        raise ConfigurationError("The lamp is out.", "Light it.")
        yield

    return FastAPI(lifespan=lifespan)


def answering() -> FastAPI:
    """An application that says which process answers, and can be made to hang. It may be told not to start."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if REFUSES in os.environ:
            raise ConfigurationError("The lamp is out.", "Light it.")
        yield

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    def worker() -> int:
        return os.getpid()

    @app.get("/hang")
    async def hang() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"hanging"
            threading.Event().wait()

        return StreamingResponse(parts())

    return app
