"""Load the demo in one transaction."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

import convenor.features  # noqa: F401 - what identifies a pupil is sealed by the declarations
from convenor import reference
from convenor.areas.models import Area, area_id_of
from convenor.configuration_error import ConfigurationError
from convenor.database.demo_mark import DemoMark
from convenor.database.row_security import import_context, set_context
from convenor.demo.cases import Cases
from convenor.demo.catalogue import SERVICES
from convenor.demo.clients import DemoClient, create_clients
from convenor.demo.contracts import build_services, build_slas
from convenor.demo.directory import AREA_ID, PILOT_BEGAN, Directory, build_directory
from convenor.demo.returns import build_returns
from convenor.demo.seeded_random import SeededRandom
from convenor.domain_types.dates import AcademicYear
from convenor.importers.areas import Authority, enter_area, owner_transaction
from convenor.importers.files import read_file
from convenor.importers.load import load_into
from convenor.importers.rows import Rows
from convenor.security.sealing import Sealer
from convenor_auth.models import Client, Organisation

ALWAYS_SHOWN = AcademicYear(2025)
"""The school year of the programme's documents, which the demo's referrals always cover."""

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
"""The documents of each real area, in the order in which they are loaded."""

_ELSEWHERE = "set CONVENOR_DATA_DIR to a new folder, or CONVENOR_DATABASE_URL to an empty database"

Progress = Callable[[str, float], None]
SaveClients = Callable[[Sequence[DemoClient]], object]


@dataclass(frozen=True)
class DemoSummary:
    """What was loaded: the number of Wendshire's rows by table, and the clients with their secrets."""

    rows: dict[str, int]
    clients: list[DemoClient] = field(repr=False)


def loaded_demo(owner_url: str) -> DemoMark | None:
    """Return the mark of the demo that this database holds, if any. Not for use inside a running event loop."""

    async def ask() -> DemoMark | None:
        async with owner_transaction(owner_url) as session:
            return await session.get(DemoMark, True)

    return asyncio.run(ask())


def assert_same_demo(loaded: DemoMark, as_at: date | None, seed: int | None) -> None:
    """Check that the loaded demo is the requested one.

    Args:
        loaded: the mark of the loaded demo.
        as_at: the requested date; None for any.
        seed: the requested seed; None for any.

    Raises:
        ConfigurationError: the loaded demo has another date or seed, or they are unknown.
    """
    if as_at in (None, loaded.as_at) and seed in (None, loaded.seed):
        return
    which = "an older version, which did not store the seed and the date"
    if loaded.seed is not None:
        which = f"--seed {loaded.seed} --as-at {loaded.as_at}"
    raise ConfigurationError(
        f"This database holds a demo already, loaded with {which}.",
        f"Leave --seed and --as-at out to use it, or add --reset to delete it with all that was written since. For "
        f"another demo beside it {_ELSEWHERE}.",
    )


def load_demo(
    owner_url: str,
    *,
    as_at: date,
    seed: int,
    sealer: Sealer,
    progress: Progress,
    save_clients: SaveClients = lambda _clients: None,
    reset: bool = False,
) -> DemoSummary:
    """Load the three areas of the demo and its clients. Not for use inside a running event loop.

    The same seed and day give the same rows, ids included; secrets and keys of clients are new each time.

    Args:
        owner_url: the owner's login to a migrated database.
        as_at: the demo's date; everything in it happened before.
        seed: another seed invents another Wendshire.
        sealer: seals what identifies a pupil.
        progress: called with the current step, and the share that is done (0 to 1).
        save_clients: called with the clients just before the commit, so that no demo exists without its secrets.
        reset: first delete the demo that is there, with all that was written since. If the load fails, it stays.

    Raises:
        ConfigurationError: the database holds a demo or other data, or the date is before the school year that the
            demo always shows.
    """
    if as_at <= ALWAYS_SHOWN.first_day:
        raise ConfigurationError(
            f"The demo shows the school year {ALWAYS_SHOWN}, which had not begun on {as_at}.",
            f"Choose a day after {ALWAYS_SHOWN.first_day}.",
        )
    return asyncio.run(_load(owner_url, as_at, seed, sealer, progress, save_clients, reset))


async def _load(
    owner_url: str,
    as_at: date,
    seed: int,
    sealer: Sealer,
    progress: Progress,
    save_clients: SaveClients,
    reset: bool,
) -> DemoSummary:
    async with owner_transaction(owner_url, sealer) as session:
        await session.execute(text("select pg_advisory_xact_lock(hashtextextended('convenor demo', 0))"))
        mark = await session.get(DemoMark, True)
        if reset and mark:
            await _delete_everything(session)
        await _assert_nothing_is_there(session)
        session.add(DemoMark(seed=seed, as_at=as_at))
        rng = SeededRandom(seed, as_at)
        progress("Inventing Wendshire", 0.0)
        rows = Rows()
        directory = invent(rows, rng, as_at)
        await set_context(session, import_context(AREA_ID))
        await rows.store(session, lambda share: progress("Storing Wendshire", 0.2 + 0.7 * share))
        progress("Loading the programme's documents", 0.92)
        real = [await _load_documents(session, rng, area) for area in _DOCUMENTS]
        progress("Registering clients", 0.96)
        clients = await create_clients(session, rng, directory, real, as_at)
        save_clients(clients)
        progress("Committing", 0.99)
    progress("Loaded", 1.0)
    return DemoSummary({str(model.__tablename__): len(records) for model, records in rows.of.items()}, clients)


async def _delete_everything(session: AsyncSession) -> None:
    """Empty every table but those that a migration or a start fills."""
    tables = await session.scalars(
        text(
            "select quote_ident(tablename) from pg_tables where schemaname = 'public'"
            " and tablename not in ('alembic_version', 'key_check', 'pathway')"
        )
    )
    await session.execute(text(f"truncate {', '.join(tables)}"))
    session.expunge_all()


async def _assert_nothing_is_there(session: AsyncSession) -> None:
    if await session.get(DemoMark, True):
        raise ConfigurationError("This database holds a demo already.", f"Use it. For another demo {_ELSEWHERE}.")
    # Row-level security shows the owner, too, only the areas that are named: these are all that there can be.
    await set_context(session, import_context(*(area_id_of(f"{la_code:03}") for la_code in range(1000))))
    for kind, column in (
        ("areas", col(Area.area_id)),
        ("organisations", col(Organisation.id)),
        ("clients", col(Client.client_id)),
    ):
        if (await session.scalars(select(column).limit(1))).first() is not None:
            raise ConfigurationError(
                f"This database holds {kind} that do not belong to a demo. A demo would add clients whose secrets are "
                "in a file.",
                f"For a demo {_ELSEWHERE}.",
            )


def invent(rows: Rows, rng: SeededRandom, as_at: date) -> Directory:
    """Invent Wendshire for the current school year and the two before it, or since `ALWAYS_SHOWN`."""
    present = AcademicYear.of(as_at)
    years = range(min(present.start - 2, ALWAYS_SHOWN.start), present.start + 1)
    directory = build_directory(rows, rng)
    services = {plan.code: rng.id_at(PILOT_BEGAN) for plan in SERVICES}
    cases = Cases(rows, rng, directory, services, as_at)
    cases.play_all(AcademicYear(years[0]))
    done = cases.sessions.done
    build_services(rows, rng, directory, services, cases.load, as_at)
    agreements = build_slas(rows, rng, directory, services, done, years, as_at)
    build_returns(rows, rng, directory, agreements, done, as_at)
    return directory


async def _load_documents(session: AsyncSession, rng: SeededRandom, named: str) -> Authority:
    """Load the documents of a real area, leaving out what any import would leave out."""
    for path in _DOCUMENTS[named]:
        area = await enter_area(session, named)
        await load_into(
            session,
            area,
            read_file(path),
            apply_rest=True,
            mint=lambda: rng.id_at(datetime(2025, 9, 1, tzinfo=UTC)),
        )
    return area
