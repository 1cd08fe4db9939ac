"""Bulk loads over HTTP: newline-delimited JSON in, a result a line out, neither held in memory.

The body is set aside first, so that no transaction waits for a slow sender, and the answer leaves only once what it
says is committed. Source: https://github.com/ndjson/ndjson-spec, version 1.0.0; each line as RFC 8259 and RFC 7493.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from convenor.kit.audit import Note
from convenor.kit.bulk import Data, Line, Load, Loading, NotStored, OnError, Result
from convenor.kit.errors import Faults, Invalid, Problem, Unreadable, WrongMediaType
from convenor.kit.principal import Principal
from convenor.kit.web.bodies import read_json
from convenor.kit.web.problems import fault_at
from convenor.kit.web.reads import authorise

MEDIA_TYPE = "application/x-ndjson"
MAX_LINE = 64_000
"""Bytes in one line, without its end."""
IN_MEMORY = 1_000_000
"""Bytes of a body, or of an answer, that stay in memory; what is longer goes through a temporary file."""
CHUNK = 64_000

Spool = SpooledTemporaryFile[bytes]


@dataclass(frozen=True)
class LoadRequest:
    """A request that may load, before its body is read."""

    request: Request
    principal: Principal
    load: Load[Any]
    on_error: OnError
    dry_run: bool


def loading(scope: str, action: str, load: Load[Any]) -> Callable[[Request], LoadRequest]:
    """The dependency of a bulk route, as `writing` is of a single write's.

    Args:
        scope: what the token must carry.
        action: `resource:action` for the audit; a dry run adds `_dry_run`.
        load: how the resource is loaded.
    """

    def dependency(request: Request) -> LoadRequest:
        principal = authorise(request, scope, action)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != MEDIA_TYPE:
            raise WrongMediaType(f"Send {MEDIA_TYPE}: one JSON object a line.")
        on_error, dry_run = _options(request.scope["query_string"])
        if dry_run:
            _note(request).action = f"{action}_dry_run"
        return LoadRequest(request, principal, load, on_error, dry_run)

    dependency.scope, dependency.action = scope, action  # type: ignore[attr-defined]
    dependency.load = load  # type: ignore[attr-defined]
    return dependency


async def answer_load(asked: LoadRequest) -> Response:
    """Loads the body, and answers with a result for each line that is not blank.

    200, or 422 where lines have faults and `on_error` is `abort`: then nothing was stored.
    """
    request, load, note = asked.request, asked.load, _note(asked.request)
    results = Spool(IN_MEMORY)
    try:
        with Spool(IN_MEMORY) as body:
            async for chunk in request.stream():
                body.write(chunk)
            body.seek(0)
            under_way = Loading(
                request.app.state.sessions, asked.principal, load, note, on_error=asked.on_error, dry_run=asked.dry_run
            )

            def keep(result: Result) -> None:
                results.write(_write(result))

            stands = await under_way.run(read_lines(body, load), keep)
    except BaseException:
        results.close()
        raise
    note.problem = None if stands else Invalid.code
    return StreamingResponse(_leave(results, stands), 200 if stands else Invalid.status, media_type=MEDIA_TYPE)


def read_lines(body: Spool, load: Load[Data]) -> Iterator[Line[Data] | Result]:
    """The lines of a body, each in the shape of the load or with every fault of its own; blank lines only count."""
    for number, raw in enumerate(_raw_lines(body), 1):
        if raw is None or raw.strip(b" \t\r\n"):
            try:
                yield Line(number, _read(raw, load.model))
            except Problem as problem:
                yield Result(number, "invalid", problem=problem)


def _raw_lines(body: Spool) -> Iterator[bytes | None]:
    """Lines with their ends; None for one that is too long, which is passed over without being held."""
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
    try:
        value = read_json(raw)
    except Unreadable as problem:
        raise Unreadable("The line is not a JSON object in UTF-8, or is nested deeper than 32 levels.") from problem
    if not isinstance(value, dict):
        raise Unreadable("The line is JSON, but not an object.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Invalid(faults=tuple(fault_at(found, found["loc"], value) for found in error.errors())) from error


def _write(result: Result) -> bytes:
    problem = result.problem
    said = {
        "line": result.line,
        "result": result.result,
        "id": str(result.id) if result.id else None,
        "problem": problem
        and {
            "code": problem.code,
            "title": problem.title,
            "detail": problem.detail,
            "errors": [fault.as_json() for fault in problem.faults],
        },
    }
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


async def _leave(results: Spool, stands: bool) -> AsyncIterator[bytes]:
    with results:
        results.seek(0)
        while lines := results.readlines(CHUNK):
            yield b"".join(lines if stands else map(_undone, lines))


def _undone(kept: bytes) -> bytes:
    """The result of a line after nothing was stored."""
    said = json.loads(kept)
    if said["result"] == "invalid":
        return kept
    return _write(Result(said["line"], "unchanged", problem=NotStored()))


def _options(raw: bytes) -> tuple[OnError, bool]:
    faults = Faults()
    given: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("ascii", "replace"), keep_blank_values=True):
        if name not in ("dry_run", "on_error"):
            faults.add(f"/query/{name}", "unknown_parameter", "No such parameter. There are: dry_run, on_error.")
        elif name in given:
            faults.add(f"/query/{name}", "repeated_parameter", "Give this parameter once.")
        given[name] = value
    if given.get("dry_run", "false") not in ("true", "false"):
        faults.add("/query/dry_run", "boolean", "`dry_run` is true or false.")
    if given.get("on_error", "abort") not in list(OnError):
        faults.add("/query/on_error", "enum", "`on_error` is abort or skip.")
    faults.refuse()
    return OnError(given.get("on_error", "abort")), given.get("dry_run") == "true"


def _note(request: Request) -> Note:
    note: Note = request.scope["state"]["note"]
    return note
