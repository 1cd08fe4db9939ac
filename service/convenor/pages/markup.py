"""HTML, small and by hand: text is escaped here, and every page has the same frame. It knows no content."""

import re
from collections.abc import Iterable, Sequence
from html import escape
from http import HTTPStatus

from starlette.responses import HTMLResponse

PLACES = (
    ("/", "Start"),
    ("/docs", "Reference"),
    ("/graphql", "GraphQL"),
    ("/problems", "Problems"),
    ("/openapi.json", "Contract (OpenAPI)"),
)

_CODE = re.compile(r"`([^`]+)`")
_CACHE = {"Cache-Control": "public, max-age=300"}


def page(title: str, body: str, here: str = "", status: int = HTTPStatus.OK, head: str = "") -> HTMLResponse:
    """A whole page.

    Args:
        title: plain text; the page's only heading of the first level.
        body: HTML, what follows that heading.
        here: the one of `PLACES` that it belongs to.
        status: the HTTP status.
        head: HTML, what the page's own head adds: links to its stylesheet and script.
    """
    places = "".join(
        f'<li><a href="{path}"{" aria-current=page" if path == here else ""}>{name}</a></li>' for path, name in PLACES
    )
    name = "Convenor" if title == "Convenor" else f"{title} - Convenor"
    return HTMLResponse(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(name)}</title>
<link rel="stylesheet" href="/assets/style.css">
<link rel="icon" href="/assets/icon.svg" type="image/svg+xml">
{head}</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header><p class="name"><a href="/">Convenor</a></p><nav aria-label="Pages"><ul>{places}</ul></nav></header>
<main id="main" tabindex="-1">
<h1>{escape(title)}</h1>
{body}
</main>
<footer><p>Made by the service itself from what it does. Nothing on this page comes from elsewhere.</p></footer>
</body>
</html>
""",
        status,
        _CACHE if status == HTTPStatus.OK else None,
    )


def text(plain: str) -> str:
    """A line of plain text as HTML, with what stands in backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(plain))


def prose(plain: str) -> str:
    """Plain text as HTML: empty lines part paragraphs, lines that begin with a hyphen are a list."""
    written = []
    for block in plain.strip().split("\n\n"):
        lines = block.splitlines()
        if all(line.startswith("- ") for line in lines):
            written.append(bullets(text(line[2:]) for line in lines))
        else:
            written.append(f"<p>{text(' '.join(lines))}</p>")
    return "\n".join(written)


def bullets(items: Iterable[str]) -> str:
    """A list of HTML items."""
    return "<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of HTML cells. The first cell heads its row; each carries its column's name for narrow screens."""
    written = []
    for first, *others in rows:
        cells = "".join(
            f'<td data-label="{escape(name)}">{cell}</td>' for name, cell in zip(head[1:], others, strict=True)
        )
        written.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(written)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"


def terminal(command: str) -> str:
    """A command to copy. It can be scrolled with the keyboard."""
    return f'<pre tabindex="0"><code>{escape(command)}</code></pre>'
