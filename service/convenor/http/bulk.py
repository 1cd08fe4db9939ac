"""Serve bulk imports over HTTP: read newline-delimited JSON, and answer with a result for each line.

Neither is held in memory. The body is stored first, so that no transaction waits for a slow sender. The answer leaves
once its results are committed.

Source: https://github.com/ndjson/ndjson-spec, version 1.0.0; for each line RFC 8259 and RFC 7493.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from tempfile import SpooledTemporaryFile
from typing import Any

from fastapi import Depends
from pydantic import ValidationError
from starlette.requests import Request

from convenor.audit.record import AuditRecord
from convenor.bulk_import import BulkImport, BulkImportRun, Data, Line, NotStored, OnError, Result
from convenor.database.pools import WAIT_SECONDS, again_after_deadlock
from convenor.http.exception_handlers import error_at, problem_of
from convenor.http.json_body import MAX_INTEGER, read_json
from convenor.http.middleware.limits import BULK_SECONDS
from convenor.http.operation import Operation
from convenor.http.request_context import RequestContext
from convenor.http.responses import AuditedStreamingResponse
from convenor.problems import FieldErrors, Invalid, Problem, TooLarge, Unavailable, Unreadable, WrongMediaType
from convenor.read_model.query_string import read_flag, read_parameters
from convenor.request_limits import MAX_LINES

MEDIA_TYPE = "application/x-ndjson"
MAX_LINE = 64_000
"""Bytes in one line, without its end."""
MAX_ERRORS, MAX_POINTER = 10, 100
"""Errors that the result of a line lists, and characters of the pointer of each."""
IMPORTS_AT_ONCE = 2
"""Imports of one worker at a time. Each holds a connection for writing, and other requests need some too."""
IMPORT_SECONDS = BULK_SECONDS - 60
"""How long after its request an import begins another batch. The answer must leave within the request's time."""
LINES_A_TURN = 200
"""Lines after which other requests get a turn; fewer if they are long."""
IN_MEMORY = 1_000_000
"""Bytes of a body, or of an answer, that stay in memory. A temporary file holds a longer one."""
CHUNK = 64_000

Spool = SpooledTemporaryFile[bytes]
_NAME_ENDS = re.compile(rb'"[ \t\r\n]*:')
"""The end of a name, in a line without escapes. A text that begins with a colon matches too."""


class BulkImportStillRunning(Problem):
    """Another bulk import of this client is still running."""

    status, code, title = 409, "bulk_import_still_running", "Bulk import still running"
    cause = "A client may have one bulk import at a time on each worker, from its request to its answer."
    remedy = "Wait for the answer to the first import, then repeat the call unchanged. Put more lines into one import."
    retry = "Retry after `Retry-After` seconds, unchanged."

    def __init__(self) -> None:
        super().__init__(headers={"Retry-After": "5"})


@dataclass(frozen=True)
class BulkImportRequest:
    """A permitted import, before its body is read."""

    request: Request
    context: RequestContext
    load: BulkImport[Any]
    on_error: OnError
    dry_run: bool


@dataclass(frozen=True)
class BulkImportOperation(Operation):
    """A bulk import. A dry run adds `_dry_run` to the action.

    Args:
        load: how the resource is imported.
    """

    load: BulkImport[Any]

    @property
    def _dry_run(self) -> str:
        return f"{self.action}_dry_run"

    @property
    def actions(self) -> tuple[str, ...]:
        """Return every action that the audit may call it by."""
        return self.action, self._dry_run

    @property
    def ends_in(self) -> frozenset[type[Problem]]:
        """Return the problems that an import can end in."""
        return super().ends_in | {BulkImportStillRunning, TooLarge, WrongMediaType}

    async def __call__(self, request: Request) -> BulkImportRequest:
        """Check the scope, and read the options."""
        context = self.authorise(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
            raise WrongMediaType(f"Send {MEDIA_TYPE}: one JSON object a line.")
        on_error, dry_run = _options(request.scope["query_string"])
        if dry_run:
            context = context._replace(action=self._dry_run).enter(request.scope)
        return BulkImportRequest(request, context, self.load, on_error, dry_run)


def bulk_imports(scope: str, action: str, load: BulkImport[Any]) -> Any:
    """Declare what a route imports.

    For example: `load: Annotated[BulkImportRequest, bulk_imports("contacts:write", "contacts:load", IMPORT)]`.
    """
    return Depends(BulkImportOperation(scope, action, load))


async def answer_bulk_import(wanted: BulkImportRequest) -> AuditedStreamingResponse:
    """Import the body, and answer with a result for each line that is not blank.

    The status is 200, or 422 if a line is invalid and `on_error` is `abort`. Then nothing was stored.

    Raises:
        BulkImportStillRunning: the client has another import under way; nothing was stored.
        TooLarge: more than `MAX_LINES`; nothing was stored.
        Unavailable: the worker runs `IMPORTS_AT_ONCE` imports, and none ended in time; nothing was stored.
    """
    request, load, context = wanted.request, wanted.load, wanted.context
    import_run = BulkImportRun(
        context.services.sessions,
        context.source,
        context.action,
        load,
        on_error=wanted.on_error,
        dry_run=wanted.dry_run,
        until=time.monotonic() + IMPORT_SECONDS,
    )
    results, body = Spool(IN_MEMORY), Spool(IN_MEMORY)

    def write_result(result: Result) -> None:
        results.write(_write(result))

    async def attempt() -> bool:
        body.seek(0)
        results.seek(0)
        results.truncate()
        return await import_run.run(read_lines(body, load), write_result)

    try:
        with body, _only_import(context.services.bulk_clients, context.caller.client_id):
            await _store_body(request, body)
            async with _turn(context.services.bulk_turns):
                complete = await again_after_deadlock(attempt)
    except BaseException:
        results.close()
        raise
    if import_run.broken_by:
        # The results of the lines name it to the caller. This logs an unexpected error.
        problem_of(import_run.broken_by, context.request_id)
    audit = import_run.audit if complete else AuditRecord(context.action, problem=Invalid.code)
    status = 200 if complete else Invalid.status
    return AuditedStreamingResponse(_send(results, complete), status, media_type=MEDIA_TYPE, audit=audit)


@contextmanager
def _only_import(clients: set[str], client_id: str) -> Iterator[None]:
    """Let a client have one import at a time, so that none can take every turn, or hold many bodies."""
    if client_id in clients:
        raise BulkImportStillRunning
    clients.add(client_id)
    try:
        yield
    finally:
        clients.remove(client_id)


async def _store_body(request: Request, body: Spool) -> None:
    ended, end = 0, b"\n"
    async for chunk in request.stream():
        ended, end = ended + chunk.count(b"\n"), chunk[-1:] or end
        if ended + (end != b"\n") > MAX_LINES:
            raise TooLarge(f"The load has more than {MAX_LINES:,} lines, which is the most that this address accepts.")
        body.write(chunk)


@asynccontextmanager
async def _turn(turns: asyncio.Semaphore) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await turns.acquire()
    except TimeoutError as error:
        raise Unavailable("Other loads are under way; nothing was stored.") from error
    try:
        yield
    finally:
        turns.release()


async def read_lines(body: Spool, load: BulkImport[Data]) -> AsyncIterator[Line[Data] | Result]:
    """Read the lines of a body: validate each, or return its first errors. Blank lines only count.

    Other requests get a turn every `LINES_A_TURN` lines, and every `MAX_LINE` bytes.
    """
    since_turn = 0
    for number, raw in enumerate(_raw_lines(body), 1):
        since_turn += MAX_LINE if raw is None else max(len(raw), MAX_LINE // LINES_A_TURN)
        if since_turn >= MAX_LINE:
            since_turn = 0
            await asyncio.sleep(0)
        if raw is None or raw.strip(b" \t\r\n"):
            try:
                yield Line(number, _read(raw, load.model))
            except (Unreadable, Invalid) as problem:
                yield Result(number, "invalid", problem=_shortened(problem))


def _shortened(problem: Unreadable | Invalid) -> Unreadable | Invalid:
    """Copy a problem without its traceback, which would keep the body in memory."""
    found, detail = problem.errors, problem.detail
    if len(found) > MAX_ERRORS:
        detail = f"The line has {len(found):,} errors; `errors` lists the first {MAX_ERRORS}."
    errors = (replace(field_error, pointer=_cut(field_error.pointer)) for field_error in found[:MAX_ERRORS])
    return type(problem)(detail, errors=tuple(errors))


def _cut(pointer: str) -> str:
    return pointer if len(pointer) <= MAX_POINTER else f"{pointer[:MAX_POINTER]}..."


def _raw_lines(body: Spool) -> Iterator[bytes | None]:
    """Yield lines with their ends, and None for a line that is too long."""
    while raw := body.readline(MAX_LINE + 1):
        if len(raw) <= MAX_LINE or raw.endswith(b"\n"):
            yield raw
            continue
        while (rest := body.readline(CHUNK)) and not rest.endswith(b"\n"):
            pass
        yield None


def _read(raw: bytes | None, model: type[Data]) -> Data:
    if raw is None:
        raise Unreadable(f"The line has more than {MAX_LINE:,} bytes.")
    plain = _read_plain(raw, model)
    if plain is not None:
        return plain
    try:
        value = read_json(raw)
    except Unreadable as problem:
        raise Unreadable("Not JSON in UTF-8, or nested deeper than 32 levels.") from problem
    if not isinstance(value, dict):
        raise Unreadable("JSON, but not an object.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Invalid(errors=tuple(error_at(found, found["loc"], value) for found in error.errors())) from error


def _read_plain(raw: bytes, model: type[Data]) -> Data | None:
    """Parse a valid line without escapes by pydantic's own parser, in a third of the time.

    Return None for any other line, which `read_json` then reads, so that every error is reported. What pydantic accepts
    and `read_json` refuses is checked here: a repeated name, and a number out of range.
    """
    if b"\\" in raw:
        return None
    try:
        data = model.model_validate_json(raw)
    except ValidationError:
        return None
    numbers = (value for value in data.__dict__.values() if isinstance(value, (int, float)))
    if not all(abs(number) <= MAX_INTEGER for number in numbers):
        return None
    return data if len(_NAME_ENDS.findall(raw)) == len(data.model_fields_set) else None


def _write(result: Result) -> bytes:
    problem = result.problem
    if problem is None:
        record_id = f'"{result.id}"' if result.id else "null"
        return f'{{"line":{result.line},"result":"{result.result}","id":{record_id},"problem":null}}\n'.encode()
    fields = {
        "line": result.line,
        "result": result.result,
        "id": str(result.id) if result.id else None,
        "problem": {
            "code": problem.code,
            "title": problem.title,
            "detail": problem.detail,
            "errors": [field_error.as_json() for field_error in problem.errors],
        },
    }
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


async def _send(results: Spool, complete: bool) -> AsyncIterator[bytes]:
    with results:
        results.seek(0)
        while lines := results.readlines(CHUNK):
            yield b"".join(lines if complete else map(_undone, lines))
            await asyncio.sleep(0)  # a client that reads fast never makes the server wait


def _undone(line: bytes) -> bytes:
    """Return the result of a valid line after nothing was stored."""
    fields = json.loads(line)
    if fields["result"] == "invalid":
        return line
    return _write(Result(fields["line"], "unchanged", problem=NotStored()))


def _options(raw: bytes) -> tuple[OnError, bool]:
    errors = FieldErrors()
    given = read_parameters(raw, ["dry_run", "on_error"], errors)
    dry_run = read_flag(given, "dry_run", errors)
    if given.get("on_error", "abort") not in list(OnError):
        errors.add("/query/on_error", "enum", "`on_error` is abort or skip.")
    errors.raise_if_any()
    return OnError(given.get("on_error", "abort")), dry_run
