"""What every shape of a body shares, and where its fields are stored: a field that is accepted is never lost."""

from collections.abc import Collection, Mapping, Set
from types import UnionType
from typing import Annotated, Any, ClassVar, Optional, Union, Unpack, get_args, get_origin, get_type_hints
from uuid import UUID

from annotated_types import MaxLen
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


class InputModel(BaseModel):
    """A body: unknown fields are refused, never dropped, and a value has the JSON type that the contract says.

    JSON writes some types as text. `FullDate`, `StrictStrEnum` and `RecordId` are read from text alone.

    Each class says where its fields go, or it cannot be made and the application does not start. A field goes to the
    column of its name. The fields of an `InputPart` go to columns that begin with the name of the part's field:
    `consent.basis` to `consent_basis`. Class keywords declare whatever differs:

    Args:
        stored_as: the table of the row that the body creates or changes. Without it, rules resolve every field.
        columns: for a field, a column with another name; for a part, what its columns begin with instead.
        resolved: the fields that a rule stores: references, states, and rows of other tables.
    """

    model_config = ConfigDict(extra="forbid", strict=True)
    _stored_as: ClassVar[type[BaseModel] | None] = None
    _columns: ClassVar[Mapping[str, str]] = {}
    _resolved: ClassVar[frozenset[str]] = frozenset()

    def __init_subclass__(
        cls,
        *,
        stored_as: type[BaseModel] | None = None,
        columns: Mapping[str, str] | None = None,
        resolved: Collection[str] = (),
        **config: Unpack[ConfigDict],
    ) -> None:
        super().__init_subclass__(**config)
        cls._stored_as = stored_as or cls._stored_as
        cls._columns = {**cls._columns, **(columns or {})}
        cls._resolved = cls._resolved.union(resolved)

    @classmethod
    def __pydantic_init_subclass__(cls, **keywords: Any) -> None:
        super().__pydantic_init_subclass__(**keywords)
        if unknown := {*cls._columns, *cls._resolved} - cls.model_fields.keys():
            raise TypeError(f"{cls.__name__} has no such fields: {', '.join(sorted(unknown))}.")
        cls._require_a_place_for_every_field()
        cls._refuse_lengths_of_text()

    @classmethod
    def _refuse_lengths_of_text(cls) -> None:
        """Refuse a length that a field states of text: pydantic drops it, or counts items, and the contract is wrong.

        The type alone says how long a text is, as `Line` and `Code` do.
        """
        types = get_type_hints(cls, include_extras=True)
        for name, field in cls.model_fields.items():
            of_type = FieldInfo.from_annotation(types[name]).metadata
            stated = [mark for mark in field.metadata if isinstance(mark, MaxLen) and mark not in of_type]
            texts = (getattr(choice, "__origin__", choice) for choice in choices_in(field.annotation))
            if stated and str in texts:
                raise TypeError(f"{cls.__name__}.{name} limits a text by `Field`. Give it a type of that length.")

    @classmethod
    def _require_a_place_for_every_field(cls) -> None:
        stored = cls._stored_as.model_fields if cls._stored_as else {}
        columns = {name: cls._columns_of(name) for name in cls.model_fields.keys() - cls._resolved}
        lost = [f"{name} (no column {column})" for name in columns for column in columns[name] if column not in stored]
        written = [column for name in columns for column in columns[name]]
        lost += [f"{column} (written twice)" for column in set(written) if written.count(column) > 1]
        for name in cls._resolved:
            shapes = _shapes_in(cls.model_fields[name].annotation, in_lists=True)
            parts = [shape for shape in shapes if issubclass(shape, InputPart)]
            lost += [f"{name}.{column} (in a part that no row stores)" for part in parts for column in part._names()]
        if lost:
            raise TypeError(
                f"{cls.__name__} would accept fields and lose them: {', '.join(sorted(lost))}."
                " Name the column, or list the field as `resolved` and store it in a rule."
            )

    @classmethod
    def _names(cls, prefix: str = "") -> list[str]:
        """List the columns of all fields but those that a rule resolves."""
        return [
            column for name in cls.model_fields if name not in cls._resolved for column in cls._columns_of(name, prefix)
        ]

    @classmethod
    def _columns_of(cls, name: str, prefix: str = "") -> list[str]:
        shapes = _shapes_in(cls.model_fields[name].annotation)
        if not shapes:
            return [prefix + cls._columns.get(name, name)]
        if outside := [shape.__name__ for shape in shapes if not issubclass(shape, InputPart)]:
            raise TypeError(f"{cls.__name__}.{name} holds {', '.join(outside)}, a row of its own: a rule resolves it.")
        begin = prefix + cls._columns.get(name, f"{name}_")
        return list(dict.fromkeys(column for shape in shapes for column in shape._names(begin)))

    def columns(self, prefix: str = "") -> dict[str, Any]:
        """Return the values to store, by column: those of all fields but the ones that a rule resolves.

        A part that is null empties all its columns.
        """
        values: dict[str, Any] = {}
        for name in self._fields_to_store() - self._resolved:
            value, names = getattr(self, name), self._columns_of(name, prefix)
            if isinstance(value, InputPart):
                values |= value.columns(prefix + self._columns.get(name, f"{name}_"))
            else:
                values |= dict.fromkeys(names, value)
        return values

    def _fields_to_store(self) -> Set[str]:
        return type(self).model_fields.keys()


class InputPart(InputModel):
    """An object within a body, whose fields are stored in the row of the body that holds it."""

    @classmethod
    def _require_a_place_for_every_field(cls) -> None:
        """Leave the check to the body, which alone knows the columns."""


RecordId = Annotated[UUID, Strict(strict=False)]
"""An id in a body."""


class Patch(InputModel):
    """A change: what is left out stays; something must be there."""

    @classmethod
    def __pydantic_init_subclass__(cls, **keywords: Any) -> None:
        super().__pydantic_init_subclass__(**keywords)
        types = get_type_hints(cls, include_extras=True)
        for name, field in cls.model_fields.items():
            for copied in (mark for mark in field.metadata if isinstance(mark, _CopiedFrom)):
                if (name, types[name]) != (copied.name, Optional[copied.type_]):  # noqa: UP045 - not known before
                    raise TypeError(f"{cls.__name__}.{name} is not the field `{copied.name}`, made optional.")

    @model_validator(mode="after")
    def _changes_something(self) -> "Patch":
        if not self.model_fields_set:
            raise PydanticCustomError("empty_change", "Send at least one field to change.")
        return self

    def _fields_to_store(self) -> Set[str]:
        return self.model_fields_set


class _NotNullable:
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


NotNullable = _NotNullable()
"""Marks a field of a `Patch` that may be left out but not be null: `Annotated[Line | None, NotNullable] = None`."""


class _CopiedFrom:
    """Remembers which field a field of a `Patch` copies, so that a difference in type is found."""

    def __init__(self, name: str, type_: Any) -> None:
        self.name, self.type_ = name, type_


def optional_field(source: type[BaseModel], name: str) -> Any:
    """Declare a field of a `Patch` as another model has it: the same description and limits, but optional.

    Null is refused where the other model refuses it. The annotation must be the other's, or None.
    """
    copied, type_ = source.model_fields[name], get_type_hints(source, include_extras=True)[name]
    of_type = FieldInfo.from_annotation(type_).metadata
    field: Any = Field(None, description=copied.description)
    field.metadata = [mark for mark in copied.metadata if mark not in of_type]
    if type(None) not in choices_in(type_):
        field.metadata.append(NotNullable)
    field.metadata.append(_CopiedFrom(name, type_))
    return field


def choices_in(annotation: Any) -> tuple[Any, ...]:
    """List the types that an annotation allows: those of a union, else the one."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _shapes_in(annotation: Any, *, in_lists: bool = False) -> list[type[InputModel]]:
    """Find the shapes that an annotation holds. A list of them is a value of its own, unless `in_lists`."""
    if get_origin(annotation) is list and not in_lists:
        return []
    if isinstance(annotation, type) and issubclass(annotation, InputModel):
        return [annotation]
    return [shape for inner in get_args(annotation) for shape in _shapes_in(inner, in_lists=in_lists)]
