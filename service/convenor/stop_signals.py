"""Stop a process in an orderly way when it is signalled to end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stops_on_signals() -> Iterator[None]:
    """Let SIGTERM, like SIGINT, end the block with KeyboardInterrupt, and ignore further signals.

    SIGHUP, which the end of a terminal sends, counts as SIGTERM. `nohup` starts a process with it ignored, and then it
    stays so.
    """
    both = (signal.SIGINT, signal.SIGTERM)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        for each in both:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    def hang_up(_signal: int, _frame: FrameType | None) -> None:
        # The shell and the system both send one, and the second is not a second request to stop.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # A server that runs in the block has its own handler of SIGTERM.
        signal.raise_signal(signal.SIGTERM)

    before = {each: signal.signal(each, stop) for each in both}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
