"""Execute an operation: read in one statement, make changes one after another, and answer about the schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import UUID

from graphql import DocumentNode, OperationDefinitionNode, SelectionSetNode, execute_sync
from pydantic import ValidationError

from convenor.audit.record import AuditRecord
from convenor.database.idempotency import FirstAnswer
from convenor.http.dependencies import key_reservation
from convenor.http.exception_handlers import WriteFailed, error_at, problem_of
from convenor.http.request_context import RequestContext
from convenor.http.write_context import Replay, WriteCall, WriteContext, etag_of
from convenor.problems import AmbiguousKey, Invalid, NotFound, ScopeMissing
from convenor.read_model.execute import Answer, Connection, read_selection
from convenor.read_model.redaction import redacted_in, refuse_search
from convenor.read_model.resource import Resource
from convenor.read_model.selection import Constant, One, Page
from convenor.security.principal import Principal
from convenor_graphql.limits import Document
from convenor_graphql.naming import camel_pointer, snake_keys
from convenor_graphql.planner import Change, IntrospectionField, PlannedSelection
from convenor_graphql.problems import errors_of
from convenor_graphql.schema import GraphQLApi


@dataclass(frozen=True)
class Call:
    """One request.

    Attributes:
        context: Of the request.
        body: As it was sent, for the idempotency keys of its changes.
    """

    context: RequestContext
    body: bytes

    @property
    def principal(self) -> Principal:
        """The caller."""
        return self.context.caller


@dataclass
class ExecutionResult:
    """What an answer holds, by the keys of the root.

    Attributes:
        cost: How many records it could have held.
        audit: The record of the request; None where each change left an event of its own.
    """

    cost: int
    audit: AuditRecord | None
    data: dict[str, bytes] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    redacted: list[str] = field(default_factory=list)
    replayed: list[str] = field(default_factory=list)

    def as_json(self) -> bytes:
        """Return the body of the answer, with the bytes that the database wrote."""
        data = b",".join(b'"%s":%s' % (key.encode(), value) for key, value in self.data.items())
        errors = b'"errors":%s,' % json.dumps(self.errors).encode() if self.errors else b""
        extensions: dict[str, Any] = {"cost": {"records": self.cost}, "redacted": self.redacted}
        if self.replayed:
            extensions["idempotencyReplayed"] = self.replayed
        return b'{%s"data":{%s},"extensions":%s}' % (errors, data, json.dumps(extensions).encode())


def introspect(
    api: GraphQLApi,
    document: Document,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    meta: list[IntrospectionField],
) -> dict[str, bytes]:
    """Answer the fields about the schema, by the keys of the root, with the executor of graphql-core."""
    only = OperationDefinitionNode(
        operation=operation.operation,
        variable_definitions=operation.variable_definitions,
        selection_set=SelectionSetNode(selections=tuple(node for item in meta for node in item.nodes)),
    )
    fragments = (fragment.definition for fragment in document.fragments.values())
    result = execute_sync(api.types, DocumentNode(definitions=(only, *fragments)), variable_values=dict(variables))
    assert result.data is not None, "a valid document about the schema has an answer"
    return {key: json.dumps(value).encode() for key, value in result.data.items()}


async def execute(call: Call, selected: PlannedSelection, meta: Mapping[str, bytes]) -> ExecutionResult:
    """Execute an operation.

    Raises:
        ScopeMissing: The token lacks scopes that the operation needs; nothing was read or written.
        Invalid: It searches by a field that the caller may not see.
    """
    missing = [scope for scope in selected.scopes if scope not in call.principal.scopes]
    if missing:
        raise ScopeMissing(" ".join(missing), call.principal.role)
    refuse_search(call.principal.clearances, selected.sensitive_filters)
    changes = any(isinstance(item, Change) for item in selected.fields)
    result = ExecutionResult(selected.cost, None if changes else AuditRecord(call.context.action))
    read = await _read(call, selected, result)
    for item in selected.fields:
        if isinstance(item, Change):
            await _change(call, item, selected, result)
        elif isinstance(item, Constant):
            result.data[item.key] = json.dumps(item.text).encode()
        else:
            result.data[item.key] = meta[item.key] if isinstance(item, IntrospectionField) else read[item.key]
    return result


async def _read(call: Call, selected: PlannedSelection, result: ExecutionResult) -> dict[str, bytes]:
    """Read every resource of the root in one statement."""
    roots = tuple(item for item in selected.fields if isinstance(item, One | Page))
    if not roots:
        return {}
    found = await read_selection(call.context.services.readers, call.principal, roots, selected.values)
    result.audit = AuditRecord.showing(call.context.action, found)
    result.redacted += redacted_in(roots, call.principal.clearances)
    for root, doc in zip(roots, found.docs, strict=True):
        if isinstance(root, One) and doc == b"null":
            problem = AmbiguousKey() if root.at in found.ambiguous else NotFound()
            result.errors += errors_of(problem, call.context.services.issuer, [root.key])
            result.audit = replace(result.audit, problem=problem.code, status=problem.status)
    return {root.key: doc for root, doc in zip(roots, found.docs, strict=True)}


async def _change(call: Call, change: Change, selected: PlannedSelection, result: ExecutionResult) -> None:
    """Execute one mutation in its own transaction, with its own audit event. The others do not depend on it."""
    operation = change.mutation.operation
    try:
        if operation.scope not in call.principal.scopes:
            raise ScopeMissing(operation.scope, call.principal.role)
        try:
            result.data[change.key] = await _written(call, change, selected)
        except Replay as replay:
            result.data[change.key] = await _replayed(call, change, selected, replay)
            result.replayed.append(change.key)
    except Exception as error:  # the other mutations still run
        await _refuse(call, change, error, result)
    else:
        result.redacted += [f"{change.key}.{path}" for path in redacted_in(change.records, call.principal.clearances)]


async def _refuse(call: Call, change: Change, error: Exception, result: ExecutionResult) -> None:
    problem = problem_of(error, call.context.request_id)
    record = error.record if isinstance(error, WriteFailed) else AuditRecord(change.mutation.operation.action)
    try:
        await _write_event(call, replace(record, problem=problem.code), problem.status)
    except Exception as unwritten:  # the answer must still show the changes before it
        problem = problem_of(unwritten, call.context.request_id)
    problem.errors = tuple(replace(error, pointer=camel_pointer(error.pointer)) for error in problem.errors)
    result.data[change.key] = b"null"
    result.errors += errors_of(problem, call.context.services.issuer, [change.key])


async def _write_event(call: Call, record: AuditRecord, status: int) -> None:
    await call.context.services.audit_writer.write(call.context.source, record, status)


async def _replayed(call: Call, change: Change, selected: PlannedSelection, replay: Replay) -> bytes:
    """Read the payload again as the caller may see it now. Its event is durable before the answer leaves."""

    async def read(first: FirstAnswer) -> Answer:
        readers = call.context.services.readers
        return await _read_payload(readers, call.principal, change, selected.values, first.record_id)

    response = await replay.answer(change.mutation.operation.action, read)
    assert response.audit, "a repeated call leaves its event to its transport"
    await _write_event(call, response.audit, response.status_code)
    return bytes(response.body)


async def _written(call: Call, change: Change, selected: PlannedSelection) -> bytes:
    mutation, given = change.mutation, snake_keys(change.arguments["input"])
    try:
        data = mutation.body.model_validate(given)
    except ValidationError as error:
        raise Invalid(errors=tuple(error_at(found, found["loc"], given) for found in error.errors())) from error
    key: str | None = change.arguments.get("idempotencyKey")
    # Two mutations of one document have the same body, so their keys in the answer tell them apart.
    sent = call.body + change.key.encode()
    reservation = (
        key_reservation(call.principal, "POST", f"/graphql#{mutation.name}", key, sent) if key is not None else None
    )
    named = {parameter: change.arguments[argument] for parameter, argument in mutation.named.items()}
    makes = partial(PayloadWrite, change=change, values=selected.values)
    version: int | None = change.arguments.get("ifVersion")
    if_match = None if version is None else frozenset({etag_of(version)})
    services, action = call.context.services, mutation.operation.action
    write = WriteCall(
        services.sessions, services.write_queues, call.context.source, action, if_match, reservation, makes
    )
    response = await mutation.run(data=data, write=write, **named)
    return bytes(response.body)


@dataclass
class PayloadWrite(WriteContext):
    """A change that answers with the selected fields of the mutation's payload."""

    change: Change = field(kw_only=True)
    values: Mapping[str, Any] = field(kw_only=True)

    async def show(self, connection: Any, resource: Resource, record: UUID) -> Answer:
        """Read the payload in the transaction that wrote the record."""
        return await _read_payload(connection, self.principal, self.change, self.values, record)


async def _read_payload(
    connection: Connection, principal: Principal, change: Change, given: Mapping[str, Any], record: UUID
) -> Answer:
    """Read the payload. Read the record even if no field of it is selected, because the event names it.

    Raises:
        NotFound: The caller may not see the record.
    """
    roots = change.records or (One("", change.mutation.answers, ()),)
    values = {**given, **{f"{root.at}.id": record for root in roots}}
    found = await read_selection(connection, principal, roots, values)
    if b"null" in found.docs:
        raise NotFound
    docs = dict(zip((root.key for root in roots), found.docs, strict=True))
    parts = (
        b'"%s":%s'
        % (item.key.encode(), json.dumps(item.text).encode() if isinstance(item, Constant) else docs[item.key])
        for item in change.payload
    )
    body = b"{" + b",".join(parts) + b"}"
    return Answer(body, found.ids, found.subjects, found.areas, subject_areas=found.subject_areas)
