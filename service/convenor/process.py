"""One process that serves: how it is stopped, what it may open, and the application behind the port."""

import gc
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from socket import socket
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import Lifespan

from convenor.http.connections import Connections, protocol_with
from convenor.startup_errors import explain_failure

IN_FLIGHT_SECONDS = 10
"""How long the requests in flight may take to finish once the service was told to stop."""
OWN_DESCRIPTORS = 64
"""What a process keeps of its file descriptors: for its database connections, its files and the watch over both."""


@contextmanager
def stops_on_signals() -> Iterator[None]:
    """Makes SIGTERM, like SIGINT, end the block with KeyboardInterrupt, once: a second one does not disturb the end."""
    both = (signal.SIGINT, signal.SIGTERM)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        for each in both:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {each: signal.signal(each, stop) for each in both}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def configure_server(application: Any, **more: Any) -> uvicorn.Config:
    """Configure the HTTP server of this process, or of the workers that it will start."""
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
        timeout_graceful_shutdown=IN_FLIGHT_SECONDS,
        **more,
    )


async def serve_application(server: uvicorn.Server, port: socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM, then finish the requests in flight. Wants `stops_on_signals` around it.

    Args:
        server: Its configuration has been loaded.
        port: Listening.
        ready: Called once callers are let in.

    Raises:
        ConfigurationError: The application cannot start.
    """
    async with AsyncExitStack() as stack:
        # Entered here, not by uvicorn, which would log the traceback of a refusal.
        await enter_lifespan(stack, server.config.loaded_app)
        keep_what_is_there()
        ready()
        # uvicorn raises the signal that stopped it again, once all is answered.
        with suppress(KeyboardInterrupt):
            await server.serve(sockets=[port])


async def enter_lifespan(stack: AsyncExitStack, app: Any) -> None:
    """Start the application, until the stack is closed.

    Raises:
        ConfigurationError: It cannot start.
    """
    lifespan: Lifespan[Any] = app.router.lifespan_context
    with explain_failure("Convenor cannot start", "Correct that, then start again; `convenor doctor` may say more."):
        await stack.enter_async_context(lifespan(app))


def keep_what_is_there() -> None:
    """Has the garbage collector pass over what the start made, which stays: a fifth of a bulk load's time."""
    gc.collect()
    gc.freeze()


def _raise_descriptors() -> int:
    """Let this process and its children open all that they may; how many descriptors that is."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A system can refuse what it has itself given as the limit: then the present one stands.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
