"""Find the route of a request by a look-up, instead of the framework's walk through every route."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.convertors import StringConvertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from convenor.http.read_routes import ReadRoute
from convenor.problems import MethodNotAllowed


@dataclass(frozen=True)
class _Place:
    """A route at its path."""

    route: Route
    app: ASGIApp
    parameters: tuple[str, ...]


@dataclass
class _Node:
    """One segment of a path, with what may follow it."""

    places: dict[str, _Place] = field(default_factory=dict)
    """By method."""
    fixed: "dict[str, _Node]" = field(default_factory=dict)
    parameter: "_Node | None" = None


class RouteIndex:
    """Call the route of each request.

    A path without parameters comes before one with them, wherever each is registered.
    """

    def __init__(self, app: ASGIApp, contexts: Iterable[RouteContext]) -> None:
        """Index routes.

        Args:
            app: Serves everything but HTTP requests.
            contexts: The routes, with what their inclusion added to them.

        Raises:
            TypeError: One of them is not a route with plain parameters.
            ValueError: Two routes take one method at one path.
        """
        self.app = app
        self._root = _Node()
        for context in contexts:
            self._add(context)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            HTTPException: There is nothing at this path.
            MethodNotAllowed: The path takes other methods.
        """
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        place, values = self._find(scope["path"], scope["method"])
        scope["path_params"] = dict(zip(place.parameters, values, strict=True))
        if isinstance(place.route, ReadRoute):
            response = await place.route.read(Request(scope, receive))
            await response(scope, receive, send)
            return
        scope["endpoint"], scope["route"] = place.route.endpoint, place.route
        await place.app(scope, receive, send)

    def _add(self, context: RouteContext) -> None:
        route, path = context.original_route, context.path
        if not isinstance(route, Route) or path is None:
            raise TypeError(f"{context.path} is not a route: the index supports no mounts.")
        if not all(isinstance(convertor, StringConvertor) for convertor in route.param_convertors.values()):
            raise TypeError(f"{path} has a parameter with a convertor: the index supports text only.")
        node, parameters = self._root, []
        for segment in path.split("/"):
            if segment.startswith("{"):
                parameters.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.fixed.setdefault(segment, _Node())
        for method in methods_of(route):
            if method in node.places:
                raise ValueError(f"Two routes take {method} {path}.")
            node.places[method] = _Place(route, context.app, tuple(parameters))

    def _find(self, path: str, method: str) -> tuple[_Place, tuple[str, ...]]:
        found: list[tuple[_Node, tuple[str, ...]]] = [(self._root, ())]
        for segment in path.split("/"):
            following = []
            for node, values in found:
                if fixed := node.fixed.get(segment):
                    following.append((fixed, values))
                if node.parameter and segment:
                    following.append((node.parameter, (*values, segment)))
            found = following
        known = [(node.places, values) for node, values in found if node.places]
        for places, values in known:
            if method in places:
                return places[method], values
        if not known:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        # The most exact path alone: one without parameters could also be read as one with a record's name.
        raise MethodNotAllowed(headers={"Allow": ", ".join(sorted(known[0][0]))})


def methods_of(route: Route) -> set[str]:
    """Return the methods that a route answers: `HEAD` wherever `GET` (RFC 9110 section 9.1)."""
    methods = route.methods or set()
    return methods | {"HEAD"} if "GET" in methods else methods


def routes_of(app: FastAPI) -> list[Route]:
    """Return every route of an application, in the order in which they were included."""
    return [route for each in iter_route_contexts(app.routes) if isinstance(route := each.original_route, Route)]


def index_routes(app: FastAPI) -> None:
    """Have an application find its routes by an index; none may be added afterwards."""
    app.router.middleware_stack = RouteIndex(app.router.middleware_stack, iter_route_contexts(app.routes))
