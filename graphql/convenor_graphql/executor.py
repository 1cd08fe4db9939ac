"""An operation answered: what is read in one statement, what is written one after another, what the schema says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from uuid import UUID

from graphql import DocumentNode, OperationDefinitionNode, SelectionSetNode, execute_sync
from pydantic import ValidationError

from convenor.audit.writer import AuditDraft
from convenor.http.exception_handlers import error_at, problem_of
from convenor.http.read_routes import note_answer
from convenor.http.write_routes import Replay, WriteCall, WriteContext, etag_of, key_reservation, note_replay
from convenor.problems import Invalid, NotFound, ScopeMissing
from convenor.read_model.execute import Answer, read_selection
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
    """One request, with the application's state that it is answered from."""

    state: Any
    principal: Principal
    note: AuditDraft
    body: bytes


@dataclass
class ExecutionResult:
    """What an answer holds, by the keys of the root."""

    cost: int
    data: dict[str, bytes] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    redacted: list[str] = field(default_factory=list)
    replayed: list[str] = field(default_factory=list)

    def as_json(self) -> bytes:
        """The body of the answer: what the database wrote is handed on as it is."""
        data = b",".join(b'"%s":%s' % (key.encode(), value) for key, value in self.data.items())
        errors = b'"errors":%s,' % json.dumps(self.errors).encode() if self.errors else b""
        extensions: dict[str, Any] = {"cost": {"records": self.cost}, "redacted": self.redacted}
        if self.replayed:
            extensions["idempotencyReplayed"] = self.replayed
        return b'{%s"data":{%s},"extensions":%s}' % (errors, data, json.dumps(extensions).encode())


def schema_says(
    api: GraphQLApi,
    document: Document,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    meta: list[IntrospectionField],
) -> dict[str, bytes]:
    """What the schema says of itself, by the keys of the root: this the executor resolves."""
    only = OperationDefinitionNode(
        operation=operation.operation,
        variable_definitions=operation.variable_definitions,
        selection_set=SelectionSetNode(selections=tuple(node for it in meta for node in it.nodes)),
    )
    fragments = (it.definition for it in document.fragments.values())
    result = execute_sync(api.types, DocumentNode(definitions=(only, *fragments)), variable_values=dict(variables))
    assert result.data is not None, "a valid document about the schema has an answer"
    return {key: json.dumps(value).encode() for key, value in result.data.items()}


async def execute(call: Call, selected: PlannedSelection, meta: Mapping[str, bytes]) -> ExecutionResult:
    """Answers an operation.

    Raises:
        ScopeMissing: the token lacks scopes of what is asked for; nothing was read or written.
        Invalid: it searches by what the caller does not see.
    """
    missing = [scope for scope in selected.scopes if scope not in call.principal.scopes]
    if missing:
        raise ScopeMissing(" ".join(missing), call.principal.role)
    refuse_search(call.principal.clearances, selected.sensitive_filters)
    result = ExecutionResult(selected.cost)
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
    """Every resource that the root reads, in one statement."""
    roots = tuple(item for item in selected.fields if isinstance(item, One | Page))
    if not roots:
        return {}
    found = await read_selection(call.state.readers, call.principal, roots, selected.values)
    note_answer(call.note, found)
    result.redacted += redacted_in(roots, call.principal.clearances)
    for root, doc in zip(roots, found.docs, strict=True):
        if isinstance(root, One) and doc == b"null":
            result.errors += errors_of(NotFound(), call.state.issuer, [root.key])
            call.note.problem, call.note.status = NotFound.code, NotFound.status
    return {root.key: doc for root, doc in zip(roots, found.docs, strict=True)}


async def _change(call: Call, change: Change, selected: PlannedSelection, result: ExecutionResult) -> None:
    """One mutation: a transaction and an audit event of its own, whatever becomes of the others."""
    operation, note = change.mutation.operation, AuditDraft(call.note.request_id, call.note.address)
    note.action, note.principal, note.purpose = operation.action, call.principal, call.note.purpose
    try:
        if operation.scope not in call.principal.scopes:
            raise ScopeMissing(operation.scope, call.principal.role)
        try:
            result.data[change.key] = await _written(call, change, selected, note)
        except Replay as replay:
            note_replay(note, replay.kept)
            await call.state.audit_writer.write(note, replay.kept.status)
            result.data[change.key] = replay.kept.body
            result.replayed.append(change.key)
    except Exception as error:  # each mutation fails for itself
        await _refuse(call, change, note, error, result)
    else:
        result.redacted += [f"{change.key}.{path}" for path in redacted_in(change.records, call.principal.clearances)]


async def _refuse(call: Call, change: Change, note: AuditDraft, error: Exception, result: ExecutionResult) -> None:
    problem = problem_of(error, note.request_id)
    note.problem = problem.code
    try:
        await call.state.audit_writer.write(note, problem.status)
    except Exception as unwritten:  # what was written before it stands, and the answer must tell of it
        problem = problem_of(unwritten, note.request_id)
    problem.errors = tuple(replace(it, pointer=camel_pointer(it.pointer)) for it in problem.errors)
    result.data[change.key] = b"null"
    result.errors += errors_of(problem, call.state.issuer, [change.key])


async def _written(call: Call, change: Change, selected: PlannedSelection, note: AuditDraft) -> bytes:
    mutation, given = change.mutation, snake_keys(change.arguments["input"])
    try:
        data = mutation.body.model_validate(given)
    except ValidationError as error:
        raise Invalid(errors=tuple(error_at(it, it["loc"], given) for it in error.errors())) from error
    key: str | None = change.arguments.get("idempotencyKey")
    # Two mutations of one document share its bytes, so that the place is part of what was sent.
    sent = call.body + change.key.encode()
    claimed = (
        key_reservation(call.principal, "POST", f"/graphql#{mutation.name}", key, sent) if key is not None else None
    )
    named = {name: change.arguments[name] for name in mutation.named}
    makes = partial(PayloadWrite, change=change, values=selected.values)
    version: int | None = change.arguments.get("ifVersion")
    if_match = None if version is None else frozenset({etag_of(version)})
    sessions = call.state.sessions
    write = WriteCall(sessions, call.principal, note, if_match, claimed, makes)
    response = await mutation.run(data=data, write=write, **named)
    return bytes(response.body)


@dataclass
class PayloadWrite(WriteContext):
    """A change that answers with what the mutation's selection asks of its payload."""

    change: Change = field(kw_only=True)
    values: Mapping[str, Any] = field(kw_only=True)

    async def show(self, connection: Any, resource: Resource, record: UUID) -> Answer:
        """The payload; read even where nothing is asked of the record, since it is the answer's subject."""
        roots = self.change.records or (One("", resource, ()),)
        values = {**self.values, **{f"{root.at}.id": record for root in roots}}
        found = await read_selection(connection, self.principal, roots, values)
        docs = dict(zip((root.key for root in roots), found.docs, strict=True))
        parts = (
            b'"%s":%s' % (it.key.encode(), json.dumps(it.text).encode() if isinstance(it, Constant) else docs[it.key])
            for it in self.change.payload
        )
        body = b"{" + b",".join(parts) + b"}"
        return Answer(body, found.ids, found.subjects, found.areas)
