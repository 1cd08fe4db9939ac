"""Reads found by a look-up, past the framework's walk through every route; whatever is not found is the framework's.

What is raised here is answered by `edge`, as everywhere.
"""

import re
from collections.abc import Iterable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from convenor.http.read_routes import ReadRoute

_PARAMETER = re.compile(r"{(\w+)}")
_Key = tuple[str, str]


class RouteIndex:
    """Answers GET for reading routes, whose paths have at most one parameter."""

    def __init__(self, app: ASGIApp, routes: Iterable[ReadRoute]) -> None:
        self.app = app
        self._whole: dict[str, ReadRoute] = {}
        self._named: dict[_Key, tuple[ReadRoute, str]] = {}
        for route in routes:
            before, *rest = _PARAMETER.split(route.path)
            if rest:
                parameter, after = rest
                self._named[before, after] = route, parameter
            else:
                self._whole[before] = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        route = self._find(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if route is None:
            await self.app(scope, receive, send)
            return
        response = await route.read(Request(scope, receive))
        await response(scope, receive, send)

    def _find(self, scope: Scope) -> ReadRoute | None:
        path: str = scope["path"]
        if route := self._whole.get(path):
            scope["path_params"] = {}
            return route
        before, _, key = path.rpartition("/")
        found = self._named.get((before + "/", ""))
        if found is None:
            before, _, key = before.rpartition("/")
            found = self._named.get((before + "/", path[len(before) + len(key) + 1 :]))
        if found is None or not key:
            return None
        route, parameter = found
        scope["path_params"] = {parameter: key}
        return route
