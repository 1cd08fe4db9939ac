"""Run one serving process: its limits and the application."""

import gc
import resource
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from socket import socket
from typing import Any

import uvicorn
from starlette.types import Lifespan

from convenor.http.connections import Connections, protocol_with
from convenor.startup_errors import explain_failure

IN_FLIGHT_SECONDS = 10
"""How long requests in flight may take to finish when the service stops."""
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open. A client that ends its own sooner never sends on one that closes."""
OWN_DESCRIPTORS = 64
"""File descriptors that are reserved for database connections and files."""


def configure_server(application: Any, **more: Any) -> uvicorn.Config:
    """Configure the HTTP server of this process or of its workers."""
    return uvicorn.Config(
        application,
        loop="uvloop",
        http=protocol_with(Connections(most=max(_raise_descriptors() - OWN_DESCRIPTORS, 1))),
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=IN_FLIGHT_SECONDS,
        **more,
    )


async def serve_application(server: uvicorn.Server, port: socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests in flight. Call it inside `stops_on_signals`.

    Args:
        server: The server, with its configuration loaded.
        port: The listening socket.
        ready: Called once the service accepts requests.

    Raises:
        ConfigurationError: The application cannot start.
    """
    async with AsyncExitStack() as stack:
        # Entered here, because uvicorn would log a traceback for a configuration error.
        await enter_lifespan(stack, server.config.loaded_app)
        freeze_garbage()
        ready()
        # Once all requests are answered, uvicorn raises again the signal that stopped it.
        with suppress(KeyboardInterrupt):
            await server.serve(sockets=[port])


async def enter_lifespan(stack: AsyncExitStack, app: Any) -> None:
    """Start the application, until the stack is closed.

    Raises:
        ConfigurationError: The application cannot start.
    """
    lifespan: Lifespan[Any] = app.router.lifespan_context
    with explain_failure("Convenor cannot start", "Correct that, then start again; `convenor doctor` may say more."):
        await stack.enter_async_context(lifespan(app))


def freeze_garbage() -> None:
    """Exclude the long-lived objects of the start from garbage collection, which saves a fifth of a bulk import."""
    gc.collect()
    gc.freeze()


def _raise_descriptors() -> int:
    """Raise the limit of open files to the maximum, and return the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A system can refuse its own maximum; then the current limit remains.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
