"""Loads the demo in one transaction: either all of it is there, or nothing."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from convenor import reference
from convenor.areas.models import Area
from convenor.demo.cases import Cases
from convenor.demo.catalogue import SERVICES
from convenor.demo.clients import DemoClient, create_clients
from convenor.demo.contracts import build_services, build_slas
from convenor.demo.dice import Dice
from convenor.demo.directory import AREA_ID, PILOT_BEGAN, Directory, build_directory
from convenor.demo.returns import build_returns
from convenor.kit.calendar import AcademicYear
from convenor.kit.context import enter, loading
from convenor.kit.operator import OperatorError
from convenor.loading.areas import Authority, enter_area, owner_transaction
from convenor.loading.load import load_into
from convenor.loading.rows import Rows

ALWAYS_SHOWN = AcademicYear(2025)
"""The school year of the programme's documents: the demo's referrals begin with it at the latest."""

_DOCUMENTS = {
    "South Gloucestershire": (
        reference.CLUSTERS,
        reference.PILOT_SCHOOLS,
        reference.OFFERS,
        reference.BENCHMARKS,
        reference.FINDINGS,
    ),
    "Cornwall": (reference.NETWORKS,),
}
"""What is known of each real area, in the order in which it is loaded."""

Progress = Callable[[str, float], None]
Keep = Callable[[Sequence[DemoClient]], object]


@dataclass(frozen=True)
class DemoSummary:
    """What was loaded: how many rows of Wendshire by table, and the clients with their secrets."""

    rows: dict[str, int]
    clients: list[DemoClient] = field(repr=False)


def demo_is_loaded(owner_url: str) -> bool:
    """Whether a demo was loaded into this database, to its end. Not for use inside a running event loop."""

    async def ask() -> bool:
        async with owner_transaction(owner_url) as session:
            return await _is_loaded(session)

    return asyncio.run(ask())


def load_demo(
    owner_url: str, *, as_at: date, seed: int, progress: Progress, keep: Keep = lambda _clients: None
) -> DemoSummary:
    """Loads the three areas of the demo and its clients. Not for use inside a running event loop.

    The same seed and day give the same rows, ids included; secrets and keys of clients are new each time.

    Args:
        owner_url: the owner's login to a migrated database.
        as_at: the day on which the demo stands: everything in it happened before.
        seed: another number invents another Wendshire.
        progress: told what is being done, and what share of the whole is (0 to 1).
        keep: given the clients just before the commit, so that there is no demo whose secrets nobody kept.

    Raises:
        OperatorError: a demo is there already, or the day is before the school year that it always shows.
    """
    if as_at <= ALWAYS_SHOWN.first_day:
        raise OperatorError(
            f"The demo shows the school year {ALWAYS_SHOWN}, which had not begun on {as_at}.",
            f"Choose a day after {ALWAYS_SHOWN.first_day}.",
        )
    return asyncio.run(_load(owner_url, as_at, seed, progress, keep))


async def _load(owner_url: str, as_at: date, seed: int, progress: Progress, keep: Keep) -> DemoSummary:
    async with owner_transaction(owner_url) as session:
        await session.execute(text("select pg_advisory_xact_lock(hashtextextended('convenor demo', 0))"))
        if await _is_loaded(session):
            raise OperatorError(
                "This database holds a demo already.", "Use it, or give the new one a database of its own."
            )
        dice = Dice(seed, as_at)
        progress("Inventing Wendshire", 0.0)
        rows = Rows()
        directory = invent(rows, dice, as_at)
        await enter(session, loading(AREA_ID))
        await rows.store(session, lambda share: progress("Storing Wendshire", 0.2 + 0.7 * share))
        progress("Loading the programme's documents", 0.92)
        real = [await _load_documents(session, dice, area) for area in _DOCUMENTS]
        progress("Registering clients", 0.96)
        clients = await create_clients(session, dice, directory, real, as_at)
        keep(clients)
        progress("Committing", 0.99)
    progress("Loaded", 1.0)
    return DemoSummary({str(model.__tablename__): len(kept) for model, kept in rows.of.items()}, clients)


async def _is_loaded(session: AsyncSession) -> bool:
    await enter(session, loading(AREA_ID))
    return await session.get(Area, AREA_ID) is not None


def invent(rows: Rows, dice: Dice, as_at: date) -> Directory:
    """Notes all of Wendshire, for the present school year and the two before it, or since `ALWAYS_SHOWN`."""
    present = AcademicYear.of(as_at)
    years = range(min(present.start - 2, ALWAYS_SHOWN.start), present.start + 1)
    directory = build_directory(rows, dice)
    services = {plan.code: dice.id_at(PILOT_BEGAN) for plan in SERVICES}
    cases = Cases(rows, dice, directory, services, as_at)
    cases.play_all(AcademicYear(years[0]))
    done = cases.sessions.done
    build_services(rows, dice, directory, services, cases.load, as_at)
    agreements = build_slas(rows, dice, directory, services, done, years, as_at)
    build_returns(rows, dice, directory, agreements, done, as_at)
    return directory


async def _load_documents(session: AsyncSession, dice: Dice, named: str) -> Authority:
    """Loads what the documents say of a real area, leaving out what a load would leave out for anybody."""
    for path in _DOCUMENTS[named]:
        area = await enter_area(session, named)
        await load_into(
            session,
            area,
            path,
            None,
            dry_run=False,
            apply_rest=True,
            mint=lambda: dice.id_at(datetime(2025, 9, 1, tzinfo=UTC)),
        )
    return area
