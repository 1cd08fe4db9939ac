"""Render the pages for people: the HTML is in Jinja2 templates, which escape the values that Python prepares."""

from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from jinja2 import Environment

CACHE = {"Cache-Control": "public, max-age=300"}
"""Pages and their assets change only with the version of the service."""

_SHARED = Path(__file__).parent / "templates"


class Templates:
    """The templates of one folder. They may extend `base.html` and import `macros.html`.

    Args:
        folder: a folder of the package that shows the pages.
    """

    def __init__(self, folder: Path = _SHARED) -> None:
        self._folder = folder

    def page(self, template: str, /, *, status: int = HTTPStatus.OK, **values: object) -> HTMLResponse:
        """Render a whole page.

        Args:
            template: its name.
            status: the HTTP status.
            values: what the template shows. A value that it uses and does not get is an error.
        """
        html = self._environment.get_template(template).render(values)
        return HTMLResponse(html, status, CACHE if status == HTTPStatus.OK else None)

    @cached_property
    def _environment(self) -> "Environment":
        # Imported with the first page: a worker that shows none does without its 1.7 MB.
        from jinja2 import Environment, FileSystemLoader, StrictUndefined

        return Environment(
            loader=FileSystemLoader([self._folder, _SHARED]),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
