"""Refuse a declaration that names something unknown.

The compiler looks up fields by name. A misspelt key would have no effect, so that a sensitive field would be shown.
Each declaration is therefore checked when it is made, and references between resources when all are known.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel

from convenor.read_model.annotations import holds_free_text, kinds_of, models_at, models_in
from convenor.read_model.placeholders import (
    ANYWHERE,
    FILTER,
    LOOKUP,
    PART_ORDER,
    ROW,
    WITH_PARENT,
    columns_in,
    placeholders_in,
    table_of,
)

if TYPE_CHECKING:
    from convenor.read_model.resource import Part, Resource


def check_resource(resource: "Resource") -> None:
    """Check one resource by itself.

    Raises:
        ValueError: a key names no field, a placeholder is unknown, a sort would disclose a sensitive field, or
            free text is neither sensitive nor declared to be open.
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
    for name, lookup in resource.lookups.items():
        list(_check_fields(f"{resource.name}: filters[{name}].lookup", lookup.read, lookup.part("found"), ()))
    for at, sql, filled in _fragments(resource):
        _check_sql(f"{resource.name}: {at}", sql, filled)


def check_together(resources: Iterable["Resource"], columns: Mapping[str, Collection[str]]) -> None:
    """Check the references of resources to each other and to their tables.

    Args:
        resources: all of them.
        columns: the columns of each table. Those of a view are not known, and are not checked here.

    Raises:
        ValueError: a relation has an unknown target, or a resource names an unknown table or column.
    """
    by_name = {resource.name: resource for resource in resources}
    for resource in by_name.values():
        if not resource.view:
            _check_known(resource.name, "table", resource.table, columns)
        for name, relation in resource.relations.items():
            _check_known(resource.name, f"relations[{name}]", relation.target, by_name)
        for at, table, column in (
            *_named_columns(resource),
            *_related_columns(resource, by_name),
            *_field_columns(resource.read, resource, resource.table),
        ):
            if table in columns:
                _check_known(resource.name, f"{at} in table {table}", column, columns[table])


def _named_columns(resource: "Resource") -> Iterator[tuple[str, str, str]]:
    """List the columns that a resource names of its own row: where it names them, the table, the column."""
    for at, key in (("natural_key", resource.natural_key), ("etag", resource.etag)):
        if key is not None:
            yield at, resource.table, key
    for name, sort in resource.sorts.items():
        yield f"sorts[{name}]", resource.table, sort.column
    for at, sql, allowed in _fragments(resource):
        if "p" not in allowed:
            for column in columns_in(sql, "t"):
                yield at, resource.table, column


def _related_columns(resource: "Resource", by_name: Mapping[str, "Resource"]) -> Iterator[tuple[str, str, str]]:
    """List the columns that relations name of their target's row and of the resource's."""
    for name, relation in resource.relations.items():
        at, target = f"relations[{name}]", by_name[relation.target].table
        for ours in (*relation.on.values(), *columns_in(relation.where, "p")):
            yield at, resource.table, ours
        for theirs in (*relation.on, *columns_in(relation.where, "t")):
            yield at, target, theirs


def _field_columns(
    model: type[BaseModel], declared: "Resource | Part", table: str, before: str = ""
) -> Iterator[tuple[str, str, str]]:
    """List the columns that hold a model's fields, by name or by the SQL of the declaration."""
    paths = list(fields_within(model, declared))
    for path in paths:
        is_object = any(other.startswith(f"{path}.") for other in paths)
        if not is_object and path not in (*declared.sql, *declared.parts, *declared.variants):
            yield f"{before}read", table, path
    for what, fragments in (("sql", declared.sql), ("variants", declared.variants)):
        for key, sql in fragments.items():
            for column in columns_in(sql, "t"):
                yield f"{before}{what}[{key}]", table, column
    for path, part in declared.parts.items():
        at, own = f"{before}parts[{path}]", table_of(part.source)
        for column in columns_in(part.source, "t"):
            yield f"{at}.source", table, column
        for column in columns_in(part.source + part.order, "p"):
            yield at, own, column
        yield from _field_columns(models_at(model, path.split("."))[0], part, own, f"{at}: ")


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
    for what, keys in (
        *made.items(),
        ("sensitivity", declared.sensitivity),
        ("open_free_text", declared.open_free_text),
    ):
        for key in keys:
            _check_known(where, what, key, known)
    for path in known:
        if len(ways := [what for what, keys in made.items() if path in keys]) > 1:
            raise ValueError(f"{where}: {path} is in {' and in '.join(ways)}; only one of them would be used.")
        _check_models(where, path, model, declared)
    for what, fragments in (("sql", declared.sql), ("variants", declared.variants)):
        for key, sql in fragments.items():
            _check_sql(f"{where}: {what}[{key}]", sql, ANYWHERE | set(joins))
    for path in known:
        _check_free_text(where, path, model, declared, known)
    yield from declared.sensitivity
    for path, part in declared.parts.items():
        at = f"{where}: parts[{path}]"
        _check_sql(f"{at}.source", part.source, WITH_PARENT | set(joins))
        _check_sql(f"{at}.order", part.order, PART_ORDER)
        for hidden in _check_fields(at, models_at(model, path.split("."))[0], part, joins):
            yield f"{path}.{hidden}"


def _check_free_text(
    where: str, path: str, model: type[BaseModel], declared: "Resource | Part", known: Collection[str]
) -> None:
    """Check that the declaration says who may read a field of free text. Parts are checked by themselves."""
    if path in declared.parts or any(other.startswith(f"{path}.") for other in known):
        return
    *steps, name = path.split(".")
    holders = [holder for holder in models_at(model, steps) if name in holder.model_fields]
    if not any(holds_free_text(holder.model_fields[name]) for holder in holders):
        return
    if not any(
        path == named or path.startswith(f"{named}.") for named in (*declared.sensitivity, *declared.open_free_text)
    ):
        raise ValueError(
            f"{where}: {path} is free text, which may name a child. Give it a sensitivity, or add it to open_free_text."
        )


def _check_models(where: str, path: str, model: type[BaseModel], declared: "Resource | Part") -> None:
    """Check that a field holds as many models as its declaration can write."""
    models = models_at(model, path.split("."))
    if path in declared.parts and len(models) != 1:
        raise ValueError(f"{where}: parts[{path}] fills a field that holds {len(models)} models; it must hold one.")
    if path in declared.variants and not (models and all(len(kinds_of(each)) == 1 for each in models)):
        raise ValueError(f"{where}: variants[{path}] needs models that each have a `kind` of one value.")
    if len(models) > 1 and path not in (*declared.variants, *declared.sql):
        raise ValueError(f"{where}: {path} is one of {len(models)} models; `variants` must say which.")


def _fragments(resource: "Resource") -> Iterator[tuple[str, str, Collection[str]]]:
    """List a resource's SQL apart from its fields: its place, the SQL, and the placeholders that are allowed there."""
    yield "id_sql", resource.id_sql, ROW
    yield "within_clusters", resource.within_clusters, ANYWHERE
    yield "subject", resource.subject or "", ANYWHERE
    yield "subjects", resource.subjects or "", ANYWHERE
    for name, sql in resource.joins.items():
        yield f"joins[{name}]", sql, ANYWHERE
    for name, each in resource.filters.items():
        yield f"filters[{name}].sql", each.sql, FILTER
        yield f"filters[{name}].default_sql", each.default_sql, ANYWHERE
    for name, lookup in resource.lookups.items():
        yield f"filters[{name}].lookup.source", lookup.source, LOOKUP
        yield f"filters[{name}].lookup.order", lookup.order, PART_ORDER
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
