"""What every shape that comes in over the wire shares."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class InputModel(BaseModel):
    """A body: unknown fields are refused, never dropped, and a value has the JSON type that the contract says.

    What JSON writes as text is read from text alone: `FullDate`, `Word` and `RecordId`.
    """

    model_config = ConfigDict(extra="forbid", strict=True)


RecordId = Annotated[UUID, Strict(strict=False)]
"""An id in a body."""


class Patch(InputModel):
    """A change: what is left out stays; something must be there."""

    @model_validator(mode="after")
    def _changes_something(self) -> "Patch":
        if not self.model_fields_set:
            raise PydanticCustomError("empty_change", "Send at least one field to change.")
        return self

    def given(self) -> dict[str, Any]:
        """The fields that were sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class _NeverEmptied:
    """Refuse null, and say so in the contract, where a validator alone would not show."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._refuse_null, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        described: list[JsonSchemaValue] = handler(schema)["anyOf"]
        (kept,) = [choice for choice in described if choice != {"type": "null"}]
        return kept

    @staticmethod
    def _refuse_null(value: Any) -> Any:
        if value is None:
            raise PydanticCustomError("required", "This field cannot be emptied; leave it out to keep it.")
        return value


NotNullable = _NeverEmptied()
"""Marks a field of a `Patch` that may be left out but not be null: `Annotated[Line | None, NeverEmptied] = None`."""
