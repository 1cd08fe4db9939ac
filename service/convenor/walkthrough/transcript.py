"""Print each call of the tour, and count the expectations that hold."""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx2
from rich.syntax import Syntax
from rich.text import Text

from convenor.terminal import out

SHOWN_HEADERS = ("location", "etag", "idempotency-replayed", "retry-after", "link")
SENT_HEADERS = ("idempotency-key", "if-match")
MAX_LINES = 60
MAX_TEXT = 60

_JSON = Syntax("", "json", background_color="default")


class TourEnded(Exception):  # noqa: N818 - it ends the tour, and shows as a failed check
    """An answer was so unexpected that the following calls make no sense."""


@dataclass
class Transcript:
    """Print each call, and count the expectations that hold."""

    quiet: bool
    held: int = field(default=0, init=False)
    failed: list[str] = field(default_factory=list, init=False)

    def chapter(self, title: str) -> None:
        """Begin the part of one partner."""
        out.print()
        out.rule(Text(title, style="bold"), align="left")

    def show(self, sentence: str, response: httpx2.Response) -> None:
        """Show a step with its request and answer, or only one line if quiet."""
        request = response.request
        line = f"{request.method} {request.url.raw_path.decode()}"
        colour = "green" if response.is_success else "yellow"
        if self.quiet:
            out.print(Text.assemble((f"{response.status_code} ", colour), f"{sentence}  ", (line, "dim")))
            return
        out.print()
        out.print(Text(sentence, style="bold"))
        out.print(Text(f"> {line}", style="cyan"))
        for name in SENT_HEADERS:
            if name in request.headers:
                out.print(Text(f"> {name}: {request.headers[name]}", style="cyan"))
        self._show_body(request.headers, request.content)
        out.print(Text(f"< {response.status_code} {response.reason_phrase}", style=colour))
        for name in SHOWN_HEADERS:
            if name in response.headers:
                out.print(Text(f"< {name}: {response.headers[name]}", style=colour))
        self._show_body(response.headers, response.content)

    def expect(self, promise: str, holds: bool, found: Any = None) -> None:
        """Record whether an expectation holds.

        Args:
            promise: What should be so.
            holds: Whether it is.
            found: What was there instead.
        """
        if holds:
            self.held += 1
            if not self.quiet:
                out.print(Text(f"  as promised: {promise}", style="green"))
            return
        failure = promise if found is None else f"{promise}; found {json.dumps(_shortened(found), default=str)}"
        self.failed.append(failure)
        out.print(Text(f"  NOT AS PROMISED: {failure}", style="bold red"))

    def conclude(self) -> bool:
        """Print the summary, and return whether every expectation held."""
        out.print()
        if self.failed:
            out.print(
                Text(f"{len(self.failed)} of {self.held + len(self.failed)} promises were not kept:", style="bold red")
            )
            for each in self.failed:
                out.print(Text(f"  {each}"))
        else:
            out.print(Text(f"All {self.held} promises were kept.", style="bold green"))
        return not self.failed

    def _show_body(self, headers: httpx2.Headers, content: bytes) -> None:
        kind, text = headers.get("content-type", ""), content.decode()
        if "ndjson" in kind:
            shown = "\n".join(json.dumps(_shortened(json.loads(line))) for line in text.splitlines())
        elif "json" in kind:
            shown = json.dumps(_shortened(json.loads(text)), indent=2, ensure_ascii=False)
        elif text:
            shown = json.dumps(_shortened(dict(parse_qsl(text))), indent=2)
        else:
            return
        lines = shown.splitlines()
        if len(lines) > MAX_LINES:
            lines = [*lines[:MAX_LINES], f"... {len(lines) - MAX_LINES} lines more"]
        out.print(_JSON.highlight("\n".join(lines)), end="")


def _shortened(value: Any) -> Any:
    """Shorten an answer: cut long texts, tokens above all, and show one record of a page."""
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else f"{value[: MAX_TEXT - 20]}... ({len(value)} characters)"
    if isinstance(value, dict):
        pages = [name for name in ("data", "edges") if isinstance(value.get(name), list)]
        return {name: _first(each) if name in pages else _shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    return value


def _first(records: list[Any]) -> list[Any]:
    more = [f"... {len(records) - 1} more"] if len(records) > 1 else []
    return [*map(_shortened, records[:1]), *more]
