"""Print the commands' output: results on stdout, everything else on stderr, colours only on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from convenor.configuration_error import ConfigurationError

out = Console(soft_wrap=True, highlight=False)
err = Console(soft_wrap=True, highlight=False, stderr=True)

Advance = Callable[[str, float], None]
"""Called with the current step of a long command, and the share that is done (0 to 1)."""


def say(sentence: str) -> None:
    """Print a sentence about progress."""
    err.print(Text(sentence, style="dim"))


def complain(error: ConfigurationError) -> None:
    """Print what is wrong and what to do."""
    err.print(Text.assemble(("Problem     ", "bold red"), error.problem))
    err.print(Text.assemble(("What to do  ", "bold"), error.remedy))


def show_pairs(pairs: dict[str, str]) -> None:
    """Print names with their values, one on each line."""
    width = max(map(len, pairs)) + 2
    for name, value in pairs.items():
        out.print(Text.assemble((name.ljust(width), "bold"), (value, "cyan")))


@contextmanager
def progress() -> Iterator[Advance]:
    """Show a progress bar on a terminal, elsewhere one line for each step."""
    if not err.is_terminal:
        last = ""

        def print_step(step: str, _share: float) -> None:
            nonlocal last
            if step != last:
                last = step
                say(f"{step} ...")

        yield print_step
        return
    columns = TextColumn("{task.description:<34}"), BarColumn(), TimeElapsedColumn()
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda step, share: bar.update(task, description=step, completed=share)
