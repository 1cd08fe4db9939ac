"""Know every action that an audit event can have, so that none that does not exist is searched for."""

from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

UNKNOWN_ACTION: Final = "request:refuse"
"""The action of a request that was refused before its operation was known."""

_KNOWN = {UNKNOWN_ACTION}


def register_actions(actions: Iterable[str]) -> None:
    """Add actions that events can have. Whoever declares an operation does so, before any event is searched for."""
    _KNOWN.update(actions)


def _known(action: str) -> str:
    if action not in _KNOWN:
        raise PydanticCustomError(
            "action", "There is no such action. Known actions: {known}.", {"known": ", ".join(sorted(_KNOWN))}
        )
    return action


class _Words:
    """List the actions in the contract."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": sorted(_KNOWN)}


Action = Annotated[str, AfterValidator(_known), _Words()]
"""The action of an event, as `resource:action`."""
