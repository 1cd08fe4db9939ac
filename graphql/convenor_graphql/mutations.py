"""Make the mutations: each is the operation that a writing route declares, with the rules of that route."""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

import strawberry
from fastapi.routing import APIRoute
from pydantic import BaseModel

from convenor.domain_types.names import words
from convenor.http.dependencies import WriteOperation
from convenor.read_model.resource import Resource
from convenor_graphql.naming import argument_of, camel
from convenor_graphql.object_types import Link, ObjectTypes, SchemaBindings
from convenor_graphql.type_factory import Argument, TypeFactory, define, new_type


@dataclass(frozen=True)
class Mutation:
    """One write.

    Args:
        name: Of the field.
        run: The route's endpoint. It takes `data`, the `WriteCall` and the parameters of the path.
        body: The shape of `input`.
        answers: The resource of the record that the payload holds.
        named: The argument of each parameter of the path.
        operation: What the route declares.
    """

    name: str
    run: Callable[..., Awaitable[Any]]
    body: type[BaseModel]
    answers: Resource
    named: Mapping[str, str]
    operation: WriteOperation


class Mutations:
    """Make the mutation type of some routes, each with what it declares."""

    def __init__(
        self, writes: Iterable[tuple[APIRoute, WriteOperation]], nodes: ObjectTypes, bindings: SchemaBindings
    ) -> None:
        self.nodes, self.bindings = nodes, bindings
        by_model = {resource.read: resource for resource in nodes.resources.values()}
        self.by_name = {made.name: made for made in (_mutation(*write, by_model) for write in writes)}
        self.inputs = TypeFactory([mutation.body for mutation in self.by_name.values()], ending="Input")

    def build(self) -> type:
        """Make the mutation type."""
        cls = new_type("Mutation")
        self.inputs.define()
        for mutation in self.by_name.values():
            payload = self._payload(mutation)
            description = inspect.getdoc(mutation.run) or ""
            define(cls, mutation.name, Optional[payload], description, self._arguments(mutation))  # noqa: UP045
        self.inputs.finish()
        return strawberry.type(cls, name="Mutation", description="What partners write, one after another.")

    def _payload(self, mutation: Mutation) -> type:
        name = f"{mutation.name[0].upper()}{mutation.name[1:]}Payload"
        one, cls = camel(mutation.answers.singular), new_type(name)
        define(cls, one, self.nodes.node(mutation.answers), "The record, as it is then.")
        self.bindings.links[name, one] = Link(mutation.answers, many=False)
        return strawberry.type(cls, name=name, description=f"The {words(mutation.answers.singular)} that was written.")

    def _arguments(self, mutation: Mutation) -> list[Argument]:
        arguments = [Argument(name, strawberry.ID, "The record's id or code.") for name in mutation.named.values()]
        arguments.append(Argument("input", self.inputs.classes[mutation.body], "The fields of the body."))
        if mutation.operation.changes:
            arguments.append(Argument("ifVersion", int, "The record's `version` as you last read it."))
        if mutation.operation.takes_key:
            key = "A fresh key for each new record; the same one when you repeat a call. 1 to 255 visible characters."
            takes = str if mutation.operation.creates else Optional[str]  # noqa: UP045
            arguments.append(Argument("idempotencyKey", takes, key))
        return arguments


def _mutation(route: APIRoute, operation: WriteOperation, by_model: dict[type[BaseModel], Resource]) -> Mutation:
    parameters = inspect.signature(route.endpoint).parameters
    return Mutation(
        name=camel(route.name),
        run=route.endpoint,
        body=parameters["data"].annotation,
        answers=by_model[route.response_model],
        named={name: argument_of(name) for name in parameters if name not in ("data", "write")},
        operation=operation,
    )
