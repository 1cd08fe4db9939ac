"""How the commands speak to a person: answers on stdout, everything else on stderr, colours only on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from convenor.configuration_error import ConfigurationError

out = Console(soft_wrap=True, highlight=False)
err = Console(soft_wrap=True, highlight=False, stderr=True)

Advance = Callable[[str, float], None]
"""Told what a long piece of work is at, and what share of it is done (0 to 1)."""


def say(sentence: str) -> None:
    """Tells of what takes a while, or has just happened."""
    err.print(Text(sentence, style="dim"))


def complain(error: ConfigurationError) -> None:
    """Shows what is wrong and what to do about it."""
    err.print(Text.assemble(("Problem     ", "bold red"), error.problem))
    err.print(Text.assemble(("What to do  ", "bold"), error.remedy))


def show_pairs(pairs: dict[str, str]) -> None:
    """Shows names with what they stand for, one a line."""
    width = max(map(len, pairs)) + 2
    for name, value in pairs.items():
        out.print(Text.assemble((name.ljust(width), "bold"), (value, "cyan")))


@contextmanager
def progress() -> Iterator[Advance]:
    """A bar on a terminal; elsewhere one line for each new step."""
    if not err.is_terminal:
        last = ""

        def tell(step: str, _share: float) -> None:
            nonlocal last
            if step != last:
                last = step
                say(f"{step} ...")

        yield tell
        return
    columns = TextColumn("{task.description:<34}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda step, share: bar.update(task, description=step, completed=share)
