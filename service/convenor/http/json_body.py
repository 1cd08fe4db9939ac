"""Read JSON bodies as I-JSON, within limits, and report every invalid place.

FastAPI calls `json()` before it solves the dependencies of the route. The request therefore keeps the error of an
unreadable body, and `writes(...)` raises it, so that a caller without the scope learns of the scope first.
"""

import inspect
import json
import math
import re
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from convenor.problems import FieldError, Invalid, Problem, Unreadable, WrongMediaType

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1
_UNFIT = re.compile("[\x00\ud800-\udfff]")


def read_json(body: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        Unreadable: not UTF-8, not JSON, or nested deeper than 32.
        Invalid: repeated names, NUL characters, lone surrogates or numbers out of range; all of them.

    Source: RFC 8259; RFC 7493 (I-JSON), sections 2.1 to 2.3.
    """
    repeated = False

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        read = dict(pairs)
        repeated = repeated or len(read) != len(pairs)
        return read

    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=members, parse_float=_number, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise Unreadable("The body is not UTF-8.") from error
    except RecursionError as error:
        raise Unreadable(f"The body is nested deeper than {MAX_DEPTH} levels.") from error
    except ValueError as error:
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise Unreadable(f"The body is not JSON{place}.") from error
    errors = [FieldError("", "repeated_name", "A name stands twice in one object.")] if repeated else []
    _walk(value, "", 0, errors)
    if errors:
        raise Invalid(errors=tuple(errors))
    return value


def _number(text: str) -> int | float:
    """Read a number. A whole number such as 45.0 is an integer (JSON Schema, Core, 4.2.3), if it is exact."""
    number = float(text)
    return int(number) if abs(number) <= MAX_INTEGER and number.is_integer() else number


def _refuse_constant(_name: str) -> None:
    raise ValueError


def _walk(value: Any, pointer: str, depth: int, errors: list[FieldError]) -> None:
    if depth > MAX_DEPTH:
        raise Unreadable(f"The body is nested deeper than {MAX_DEPTH} levels.")
    if isinstance(value, dict):
        for name, member in value.items():
            if not _is_text(name):
                errors.append(FieldError(pointer, "text", "A name holds a NUL character or a lone surrogate."))
            else:
                _walk(member, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", depth + 1, errors)
    elif isinstance(value, list):
        for at, member in enumerate(value):
            _walk(member, f"{pointer}/{at}", depth + 1, errors)
    elif isinstance(value, str):
        if not _is_text(value):
            errors.append(FieldError(pointer, "text", "NUL characters and lone surrogates are not allowed."))
    elif (isinstance(value, int) and abs(value) > MAX_INTEGER) or (
        isinstance(value, float) and not math.isfinite(value)
    ):
        errors.append(
            FieldError(pointer, "number_out_of_range", "The number is beyond what JSON carries exactly (2^53).")
        )


def _is_text(value: str) -> bool:
    return _UNFIT.search(value) is None


class GuardedRequest(Request):
    """A request that remembers why its body is unreadable instead of raising it."""

    unreadable: Problem | None = None

    async def json(self) -> Any:
        """Return the body's value, or None with `unreadable` set."""
        try:
            return read_json(await self.body())
        except Problem as problem:
            self.unreadable = problem
            return None


class GuardedRoute(APIRoute):
    """A route that reads its body through `read_json`, and runs a function that writes in a transaction.

    The function takes a `WriteContext`. The route's endpoint, which GraphQL calls, too, takes a `WriteCall` instead.
    """

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[Response]], **options: Any) -> None:
        writes = "write" in inspect.signature(endpoint).parameters
        super().__init__(path, _in_transaction(endpoint) if writes else endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler over a guarded request."""
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            return await handler(GuardedRequest(request.scope, request.receive))

        return guarded


def _in_transaction(function: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    in_path = [name for name in inspect.signature(function).parameters if name not in ("data", "write")]

    @wraps(function)
    async def endpoint(*, write: Any, **given: Any) -> Response:
        named = {name: given[name] for name in in_path}
        answer: Response = await write.run(lambda made: function(write=made, **given), named)
        return answer

    return endpoint


def refuse_unreadable(request: Request) -> None:
    """Raise why the body could not be read, or that it is not declared as JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise WrongMediaType
    if isinstance(request, GuardedRequest) and request.unreadable:
        raise request.unreadable
