"""The steps that a pathway allows to an actor from a state. Nothing here moves a case."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from convenor.domain_types.dates import today
from convenor.pathways.models import Actor, Pathway


@dataclass(frozen=True)
class Step:
    """One legal step, and the fields that must be sent with it."""

    to: str
    requires: tuple[str, ...]


async def current_pathway(session: AsyncSession, code: str) -> Pathway | None:
    """Return the version of a pathway that a case follows when it begins today."""
    found = await session.scalars(
        select(Pathway)
        .where(col(Pathway.code) == code, col(Pathway.valid_from) <= today())
        .order_by(col(Pathway.version).desc())
        .limit(1)
    )
    return found.first()


def steps_from(pathway: Pathway, state: str, actor: Actor) -> list[Step]:
    """Return the steps that an actor may make from a state."""
    return [
        Step(step["to"], tuple(step["requires"]))
        for step in pathway.transitions
        if step["source"] == state and step["by"] == actor
    ]


def state_of(pathway: Pathway, state: str) -> dict[str, Any]:
    """Return the pathway's description of a state, in the shape of `StateRead`."""
    return next(described for described in pathway.states if described["state"] == state)


def states_with_contacts(pathway: Pathway) -> list[str]:
    """Return the states in which contacts may be recorded."""
    return [state["state"] for state in pathway.states if state["contacts"]]
