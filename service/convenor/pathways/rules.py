"""What a pathway allows: the steps from a state, for an actor. It moves no case itself."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from convenor.domain_types.dates import today
from convenor.pathways.models import Actor, Pathway


@dataclass(frozen=True)
class Step:
    """One legal step, and the fields that must come with it."""

    to: str
    requires: tuple[str, ...]


async def current_pathway(session: AsyncSession, code: str) -> Pathway | None:
    """The version of a pathway on which a case that begins today begins."""
    found = await session.scalars(
        select(Pathway)
        .where(col(Pathway.code) == code, col(Pathway.valid_from) <= today())
        .order_by(col(Pathway.version).desc())
        .limit(1)
    )
    return found.first()


def steps_from(pathway: Pathway, state: str, actor: Actor) -> list[Step]:
    """The steps that an actor may make from a state."""
    return [
        Step(step["to"], tuple(step["requires"]))
        for step in pathway.transitions
        if step["source"] == state and step["by"] == actor
    ]


def state_of(pathway: Pathway, state: str) -> dict[str, Any]:
    """What the pathway says of a state (shape of `StateRead`)."""
    return next(said for said in pathway.states if said["state"] == state)


def states_with_contacts(pathway: Pathway) -> list[str]:
    """The states in which contacts may be recorded."""
    return [state["state"] for state in pathway.states if state["contacts"]]
