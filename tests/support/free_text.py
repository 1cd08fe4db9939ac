"""The free texts of the contract, walked: every text in a body that no list, code, number or pattern bounds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from convenor.domain_types.codes import Line, Prose
from convenor.http.feature import Feature
from convenor.read_model.annotations import models_at
from convenor.read_model.checks import fields_within
from convenor.read_model.redaction import sensitive_paths
from convenor.read_model.resource import Part, Resource
from convenor.security.principal import FieldSensitivity
from convenor_auth.roles import ROLES, clearances_of

REFERENCES = {
    "kpi",
    "not_the_same_as",
    "pathway",
    "referral_code",
    "referrals",
    "same_as",
    "service_id",
    "sla_id",
    "to",
}
"""Texts that a rule looks up, and refuses where there is no such record or state: they are never stored as sent."""

_UNBOUNDED = {TypeAdapter(kind).json_schema().get("pattern") for kind in (Line, Prose)} | {None}


@dataclass(frozen=True)
class FreeText:
    """One free text of one body."""

    operation: str
    path: str

    @property
    def leaf(self) -> str:
        """Return the name of the field, wherever it lies."""
        return self.path.rpartition("/")[2]


def writers_of_names(scope: str) -> bool:
    """Check whether a role that sees who a pupil is may write with a scope: its texts may name a child."""
    return any(
        scope in rule.scopes and FieldSensitivity.IDENTITY in clearances_of(role, {scope})
        for role, rule in ROLES.items()
    )


def free_texts(contract: dict[str, Any]) -> list[FreeText]:
    """List the free texts of every body that a partner writes about a case."""
    return [
        FreeText(operation["operationId"], path)
        for operation in written_by_partners(contract)
        for path in _texts_in(contract, _body_of(operation), "")
        if path.rpartition("/")[2] not in REFERENCES
    ]


def written_by_partners(contract: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the operations with a body that such a role may call."""
    for methods in contract["paths"].values():
        for operation in methods.values():
            scopes = [scope for way in operation["security"] for scope in way["oauth"]]
            if "requestBody" in operation and any(map(writers_of_names, scopes)):
                yield operation


def _body_of(operation: dict[str, Any]) -> Any:
    (content,) = operation["requestBody"]["content"].values()
    return content.get("x-line-schema") or content["schema"]


def _texts_in(contract: dict[str, Any], schema: Any, path: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = contract["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _texts_in(contract, choice, path)
    for name, member in schema.get("properties", {}).items():
        yield from _texts_in(contract, member, f"{path}/{name}")
    if "items" in schema:
        yield from _texts_in(contract, schema["items"], path)
    bounded = any(word in schema for word in ("enum", "const", "format"))
    if "string" in schema.get("type", ()) and not bounded and schema.get("pattern") in _UNBOUNDED:
        yield path


def shown_to_everybody(feature: Feature, leaf: str) -> set[str]:
    """List the fields of this name that a feature's resources show to every role.

    Raises:
        AssertionError: no resource shows such a field to anybody.
    """
    resources = {route.reading.resource for route in feature.reading_routes}
    found = [(each, path) for each in resources for path in paths_of(each) if path.rpartition(".")[2] == leaf]
    assert found, f"no resource of {feature.router.tag.name} shows `{leaf}`: say here where it is read"
    return {f"{each.name}.{path}" for each, path in found if path not in dict(sensitive_paths(each))}


def paths_of(resource: Resource) -> Iterator[str]:
    """Yield the dotted path of every field of a record, those of its parts among them."""
    yield from _paths_in(resource.read, resource, "")


def _paths_in(model: Any, declared: Resource | Part, before: str) -> Iterator[str]:
    for path in fields_within(model, declared):
        yield before + path
        if path in declared.parts:
            (inner,) = models_at(model, path.split("."))
            yield from _paths_in(inner, declared.parts[path], f"{before}{path}.")
