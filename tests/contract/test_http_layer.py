"""How the HTTP layer is put together: one accessor of state, one index of routes, one update, whole features."""

import ast
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import FastAPI
from starlette.responses import Response
from starlette.routing import Mount, Route

import convenor
import convenor_auth
import convenor_graphql
from convenor.app import create_app
from convenor.features import FEATURES, refuse_unknown_scopes
from convenor.http.dependencies import ReadContext, WriteOperation, reads
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag, operation_of
from convenor.http.route_index import RouteIndex, index_routes, methods_of, routes_of
from convenor.openapi_metadata import SECTIONS
from convenor.security.principal import Role
from convenor_auth.roles import ROLES, refuse_incomplete

ACCESSOR = "services.py"
"""The one module that may look into the state of the application."""
TAG = Tag("kites", "Kites, for a test.")


def reaches_into_state(tree: ast.AST) -> list[int]:
    """The lines that use the state of an application, a request or a scope."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "state":
            owner, owners = ast.unparse(node.value), ("app", "request", "connection")
        elif isinstance(node, ast.Subscript) and ast.unparse(node.slice) == "'state'":
            owner, owners = ast.unparse(node.value), ("scope",)
        else:
            continue
        if owner.rpartition(".")[2] in owners:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("line", ["app.state.readers", "request.app.state.x", "request.state.x", 'scope["state"]'])
def test_the_search_finds_a_reach_into_state(line: str) -> None:
    assert reaches_into_state(ast.parse(line)) == [1]


def test_no_module_but_the_accessor_reaches_into_state() -> None:
    for package in (convenor, convenor_auth, convenor_graphql):
        for path in Path(package.__path__[0]).rglob("*.py"):
            if path.name != ACCESSOR:
                assert reaches_into_state(ast.parse(path.read_text("utf-8"))) == [], path


def test_the_index_finds_every_route_for_every_method_that_it_takes() -> None:
    app = create_app("", Path(), "")
    index = app.router.middleware_stack
    assert isinstance(index, RouteIndex)
    for route in routes_of(app):
        path = route.path
        for name in route.param_convertors:
            path = path.replace(f"{{{name}}}", f"a {name}")
        for method in methods_of(route):
            place, values = index._find(path, method)
            assert place.route is route, f"{method} {path}"
            assert values == tuple(f"a {name}" for name in route.param_convertors), path


def test_the_index_refuses_routes_that_it_could_not_find() -> None:
    async def answer(_request: object) -> Response:
        return Response()

    for routes, error in (
        ([Mount("/kites", routes=[])], TypeError),
        ([Route("/kites/{kite:path}", answer)], TypeError),
        ([Route("/kites/{kite}", answer), Route("/kites/{name}", answer)], ValueError),
    ):
        app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
        app.router.routes.extend(routes)
        with pytest.raises(error):
            index_routes(app)


def test_every_route_that_heeds_if_match_changes_its_record_by_the_one_update() -> None:
    heeding = [
        route
        for feature in FEATURES
        for route in feature.routes
        if isinstance(operation := operation_of(route), WriteOperation) and operation.takes_version
    ]
    assert len(heeding) >= 14
    for route in heeding:
        source = inspect.getsource(inspect.unwrap(route.endpoint))
        assert "return await write.update(" in source, route.path


def test_a_feature_with_a_route_that_checks_no_caller_does_not_start() -> None:
    router = ResourceRouter(TAG)

    @router.get("/v1/kites")
    async def list_kites() -> Response:
        return Response()

    with pytest.raises(ValueError, match="/v1/kites declares no operation"):
        Feature(router)


def test_a_feature_with_a_scope_that_nobody_could_hold_does_not_start() -> None:
    router = ResourceRouter(TAG)

    @router.get("/v1/kites")
    async def list_kites(read: Annotated[ReadContext, reads("kites:read", "kites:list")]) -> Response:
        return Response(read.principal.client_id)

    with pytest.raises(ValueError, match="kites:read"):
        refuse_unknown_scopes((Feature(router),))


def test_a_feature_without_a_tag_does_not_start() -> None:
    with pytest.raises(TypeError, match="tag"):
        ResourceRouter()  # type: ignore[call-arg]


def test_every_feature_has_a_section_of_the_documentation() -> None:
    assert {feature.router.tag.name for feature in FEATURES} == SECTIONS.keys() - {"oauth", "health"}
    assert all(SECTIONS.values())


def test_a_table_of_roles_that_leaves_one_out_does_not_start() -> None:
    with pytest.raises(ValueError, match="auditor"):
        refuse_incomplete({role: rule for role, rule in ROLES.items() if role is not Role.AUDITOR})


def test_a_role_with_a_scope_that_is_not_described_does_not_start() -> None:
    board = replace(ROLES[Role.BOARD], scopes=frozenset({"kites:read"}))
    with pytest.raises(ValueError, match="kites:read"):
        refuse_incomplete(ROLES | {Role.BOARD: board})
