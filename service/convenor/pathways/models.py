"""Pathways as data: states, steps, who may make each and what each requires. A case keeps its version."""

from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field as ColumnField
from sqlmodel import SQLModel

from convenor.database.constraints import enum_check
from convenor.database.ids import uuid7
from convenor.domain_types.codes import Code, Line


class PathwayKind(StrEnum):
    """Whether a case asks somebody to act or advises them to."""

    REFERRAL = "referral"
    RECOMMENDATION = "recommendation"


class Actor(StrEnum):
    """The actor of a step."""

    REFERRER = "referrer"
    SERVICE = "service"
    NOBODY = "nobody"
    """The system makes the step, when the event in `requires` happens."""


class ReferralState(StrEnum):
    """The state of a referral. Every published version of its pathways has states of this list.

    `handed_over` belongs to none: it ends a referral that another school's continues.
    """

    SUBMITTED = "submitted"
    RETURNED = "returned"
    ACCEPTED = "accepted"
    WAITING = "waiting"
    PAUSED = "paused"
    IN_PROGRESS = "in_progress"
    DISCHARGED = "discharged"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    HANDED_OVER = "handed_over"


class StateRead(BaseModel):
    """One state of a pathway."""

    state: str = Field(description="The state's name, as in `status` of a case.")
    open: bool = Field(description="Whether a case in this state is still open.")
    contacts: bool = Field(description="Whether contacts may be recorded in this state.")
    description: str = Field(description="The meaning of the state.")


class StepRead(BaseModel):
    """One transition of a pathway."""

    source: str = Field(description="The state that the step starts from.")
    to: str = Field(description="The state that the step leads to.")
    by: Actor = Field(description="The actor that may make the step.")
    requires: list[str] = Field(description="Fields that must be sent with it.")
    description: str = Field(description="When the step is made.")


class PathwayFields(BaseModel):
    """The fields of a pathway."""

    code: Code = Field(description="The pathway's code, as in `pathway` of a case.")
    version: int = Field(description="The version. A case keeps the version that it began on.")
    name: Line = Field(description="The pathway's name.")
    kind: PathwayKind = Field(description="Referral or recommendation.")
    initial: str = Field(description="The state that a case begins in.")
    valid_from: date = Field(description="The first day on which cases begin on this version.")


class Pathway(PathwayFields, SQLModel, table=True):
    """One version of a pathway. It belongs to no area."""

    __table_args__ = (enum_check("kind", PathwayKind),)
    code: str = ColumnField(primary_key=True)
    version: int = ColumnField(primary_key=True)
    id: UUID = ColumnField(default_factory=uuid7, unique=True)
    kind: str = ColumnField(sa_type=Text)
    states: list[dict[str, Any]] = ColumnField(sa_type=JSONB)
    transitions: list[dict[str, Any]] = ColumnField(sa_type=JSONB)
    next_states: dict[str, list[str]] = ColumnField(sa_type=JSONB)
    """For each state, the states that its steps lead to: `transitions` in the shape that reads need."""
