"""Refuse a declaration that names something unknown.

The compiler looks up fields by name. A misspelt key would have no effect, so that a sensitive field would be shown.
Each declaration is therefore checked when it is made, and references between resources when all are known.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel

from convenor.read_model.annotations import kinds_of, models_in
from convenor.read_model.placeholders import ANYWHERE, FILTER, PART_ORDER, ROW, WITH_PARENT, placeholders_in

if TYPE_CHECKING:
    from convenor.read_model.resource import Part, Resource


def check_resource(resource: "Resource") -> None:
    """Check one resource by itself.

    Raises:
        ValueError: a key names no field, a placeholder is unknown, or a sort would disclose a sensitive field.
    """
    hidden = list(_check_fields(resource.name, resource.read, resource, resource.joins.keys()))
    if hidden and "redacted" not in resource.read.model_fields:
        raise ValueError(f"{resource.name}: {hidden[0]} is hidden from some roles; the model needs a field `redacted`.")
    _check_known(resource.name, "order", resource.order.removeprefix("-"), resource.sorts)
    for name, sort in resource.sorts.items():
        if not {name, sort.column}.isdisjoint(resource.sensitivity):
            raise ValueError(f"{resource.name}: sorts[{name}] discloses a field that is hidden from some roles.")
    for role, default in resource.default_filters.items():
        _check_known(resource.name, f"default_filters[{role}].unless", default.unless, resource.filters)
    for at, sql, filled in _fragments(resource):
        _check_sql(f"{resource.name}: {at}", sql, filled)


def check_together(resources: Iterable["Resource"], columns: Mapping[str, Collection[str]]) -> None:
    """Check the references of resources to each other and to their tables.

    Args:
        resources: all of them.
        columns: the columns of each table. A view is not among them and is not checked here.

    Raises:
        ValueError: a relation has an unknown target, or a table lacks a column.
    """
    by_name = {resource.name: resource for resource in resources}
    for resource in by_name.values():
        named = [("natural_key", resource.natural_key), ("etag", resource.etag)]
        named += [(f"sorts[{name}]", sort.column) for name, sort in resource.sorts.items()]
        for name, relation in resource.relations.items():
            at = f"relations[{name}]"
            _check_known(resource.name, at, relation.target, by_name)
            named += [(at, ours) for ours in relation.on.values()]
            target = by_name[relation.target].table
            for theirs in relation.on if target in columns else ():
                _check_known(resource.name, f"{at} in table {target}", theirs, columns[target])
        for at, column in named if resource.table in columns else ():
            if column is not None:
                _check_known(resource.name, f"{at} in table {resource.table}", column, columns[resource.table])


def fields_within(model: type[BaseModel], declared: "Resource | Part", before: str = "") -> Iterator[str]:
    """List the dotted paths by which the compiler looks up a model's fields. Each part has paths of its own."""
    for name, info in model.model_fields.items():
        path = before + name
        if path == "redacted":
            continue
        yield path
        models, many = models_in(info.annotation)
        is_leaf = many or path in declared.sql or path in declared.parts
        if path in declared.variants or not is_leaf:
            for inner in models:
                yield from fields_within(inner, declared, f"{path}.")


def _check_fields(
    where: str, model: type[BaseModel], declared: "Resource | Part", joins: Collection[str]
) -> Iterator[str]:
    """Check the declaration of a model's fields, and list those that are hidden from some roles."""
    known = dict.fromkeys(fields_within(model, declared))
    made = {"sql": declared.sql, "parts": declared.parts, "variants": declared.variants}
    for what, keys in (*made.items(), ("sensitivity", declared.sensitivity)):
        for key in keys:
            _check_known(where, what, key, known)
    for path in known:
        if len(ways := [what for what, keys in made.items() if path in keys]) > 1:
            raise ValueError(f"{where}: {path} is in {' and in '.join(ways)}; only one of them would be used.")
        _check_models(where, path, model, declared)
    for what, fragments in (("sql", declared.sql), ("variants", declared.variants)):
        for key, sql in fragments.items():
            _check_sql(f"{where}: {what}[{key}]", sql, ANYWHERE | set(joins))
    yield from declared.sensitivity
    for path, part in declared.parts.items():
        at = f"{where}: parts[{path}]"
        _check_sql(f"{at}.source", part.source, WITH_PARENT | set(joins))
        _check_sql(f"{at}.order", part.order, PART_ORDER)
        for hidden in _check_fields(at, _models_at(model, path)[0], part, joins):
            yield f"{path}.{hidden}"


def _check_models(where: str, path: str, model: type[BaseModel], declared: "Resource | Part") -> None:
    """Check that a field holds as many models as its declaration can write."""
    models = _models_at(model, path)
    if path in declared.parts and len(models) != 1:
        raise ValueError(f"{where}: parts[{path}] fills a field that holds {len(models)} models; it must hold one.")
    if path in declared.variants and not (models and all(len(kinds_of(each)) == 1 for each in models)):
        raise ValueError(f"{where}: variants[{path}] needs models that each have a `kind` of one value.")
    if len(models) > 1 and path not in (*declared.variants, *declared.sql):
        raise ValueError(f"{where}: {path} is one of {len(models)} models; `variants` must say which.")


def _models_at(model: type[BaseModel], path: str) -> list[type[BaseModel]]:
    """Find the models that the field at a dotted path holds."""
    holders = [model]
    for step in path.split("."):
        fields = [holder.model_fields[step] for holder in holders if step in holder.model_fields]
        holders = [each for info in fields for each in models_in(info.annotation)[0]]
    return holders


def _fragments(resource: "Resource") -> Iterator[tuple[str, str, Collection[str]]]:
    """List a resource's SQL apart from its fields: its place, the SQL, and the placeholders that are allowed there."""
    yield "id_sql", resource.id_sql, ROW
    yield "within_clusters", resource.within_clusters, ANYWHERE
    yield "subject", resource.subject or "", ANYWHERE
    for name, sql in resource.joins.items():
        yield f"joins[{name}]", sql, ANYWHERE
    for name, each in resource.filters.items():
        yield f"filters[{name}].sql", each.sql, FILTER
        yield f"filters[{name}].default_sql", each.default_sql, ANYWHERE
    for role, default in resource.default_filters.items():
        yield f"default_filters[{role}].sql", default.sql, ANYWHERE
    for name, relation in resource.relations.items():
        yield f"relations[{name}].where", relation.where, WITH_PARENT


def _check_sql(at: str, sql: str, allowed: Collection[str]) -> None:
    for name in placeholders_in(sql):
        if name not in allowed:
            known = ", ".join(f"{{{each}}}" for each in sorted(allowed))
            raise ValueError(f"{at} names {{{name}}}, which is unknown. Known here: {known}.")


def _check_known(where: str, what: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise ValueError(f'{where}: {what} names "{name}", which is unknown. Known here: {", ".join(known)}.')
