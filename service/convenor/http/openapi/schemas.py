"""The shapes of the contract: what comes in, what goes out, and which fields may be absent."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema
from starlette.routing import Route

from convenor.http.bulk import BulkImportOperation
from convenor.http.openapi.components import SCHEMAS, JsonObject
from convenor.http.operation import declared
from convenor.http.read_routes import ReadRoute, search_of
from convenor.read_model.redaction import sensitive_fields
from convenor.read_model.resource import Resource

IN: Literal["validation"] = "validation"
OUT: Literal["serialization"] = "serialization"
Mode = Literal["validation", "serialization"]

_ABSENT = "Absent where your role does not see it."


def schemas_of(routes: Sequence[Route]) -> tuple[dict[str, JsonObject], dict[tuple[Any, str], JsonObject]]:
    """Return the component schemas of some routes, and the schema (mostly a reference) of each shape and mode."""
    resources = {route.reading.resource for route in routes if isinstance(route, ReadRoute)}
    wanted = dict(chain.from_iterable(_wanted(route) for route in routes))
    sensitive = {field for resource in resources for field in sensitive_fields(resource)}
    wanted |= {(model, OUT): TypeAdapter(model) for model, _ in sensitive}
    refs, definitions = TypeAdapter.json_schemas(
        [(key, mode, adapter) for (key, mode), adapter in wanted.items()],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schema,
    )
    schemas: dict[str, JsonObject] = definitions.get("$defs", {})
    for model, name in sensitive:
        _open(schemas[refs[model, OUT]["$ref"].rpartition("/")[2]], model, name)
    schemas |= SCHEMAS
    names = {name: _short(name) for name in schemas}
    return (
        # Generators name their classes by the title: two of one title, and one of them is lost.
        {names[name]: _renamed(schema, names) | {"title": names[name]} for name, schema in schemas.items()},
        {key: _renamed(ref, names) for key, ref in refs.items()},
    )


class _Schema(GenerateJsonSchema):
    def field_title_should_be_set(self, _schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Leave out a default of null: a generated client would send it, and empty what was to be kept."""
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def _wanted(route: Route) -> Iterator[tuple[tuple[Any, Mode], TypeAdapter[Any]]]:
    """Yield every shape that a route's description refers to."""
    if isinstance(route, ReadRoute):
        resource = route.reading.resource
        yield (resource.read, OUT), TypeAdapter(resource.read)
        yield (route.response_model, OUT), TypeAdapter(route.response_model)
        if route.reading.search:
            yield (search_of(resource), IN), TypeAdapter(search_of(resource))
        for name in resource.parameters:
            yield (filter_key(resource, name), IN), resource.filters[name].adapter
    elif isinstance(route, APIRoute):
        operation = declared(route)
        taken: list[Any] = [operation.load.model] if isinstance(operation, BulkImportOperation) else []
        if route.body_field:
            taken.append(route.body_field.field_info.annotation)
        models = [response["model"] for response in route.responses.values() if "model" in response]
        if route.response_model:
            models.append(route.response_model)
        yield from (((model, IN), TypeAdapter(model)) for model in taken)
        yield from (((model, OUT), TypeAdapter(model)) for model in models)
        for parameter in query_of(route.dependant):
            info = parameter.field_info
            key = query_key(route, parameter.alias)
            yield (key, IN), TypeAdapter(Annotated[info.annotation, info])  # type: ignore[arg-type]


def query_of(dependant: Dependant) -> list[Any]:
    """Return the query parameters of a route and of its dependencies."""
    return [*dependant.query_params, *chain.from_iterable(map(query_of, dependant.dependencies))]


def filter_key(resource: Resource, name: str) -> tuple[str, str]:
    """Return the key of a filter's schema."""
    return resource.name, name


def query_key(route: APIRoute, name: str) -> tuple[str, str]:
    """Return the key of the schema of a route's own query parameter."""
    return f"{sorted(route.methods or ())} {route.path}", name


def _open(schema: JsonObject, model: type[BaseModel], name: str) -> None:
    """Let a sensitive field be absent."""
    shown = model.model_fields[name].serialization_alias or name
    schema["required"] = [field for field in schema.get("required", []) if field != shown]
    shown_field = schema["properties"][shown]
    shown_field["description"] = f"{shown_field.get('description', '')} {_ABSENT}".strip()


def _short(name: str) -> str:
    """Return a component's name. Where two models share a name, pydantic's own holds the module's path."""
    module, _, rest = name.removeprefix("convenor__").partition("__")
    return module.title().replace("_", "") + rest.rpartition("__")[2] if rest else name


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Copy JSON with its references to components renamed."""
    if isinstance(value, dict):
        return {key: _renamed(member, names) for key, member in value.items()}
    if isinstance(value, list):
        return [_renamed(member, names) for member in value]
    if isinstance(value, str) and value.startswith("#/components/schemas/"):
        head, _, name = value.rpartition("/")
        return f"{head}/{names.get(name, name)}"
    return value
