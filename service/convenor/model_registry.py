"""Import every table, so that the metadata are complete for the application, migrations and tests."""

from importlib import import_module

from sqlmodel import SQLModel

for _module in (
    "convenor.areas.models",
    "convenor.benchmarks.models",
    "convenor.clusters.models",
    "convenor.commissioned_services.models",
    "convenor.contacts.models",
    "convenor.impact_returns.models",
    "convenor.audit.writer",
    "convenor.database.demo_mark",
    "convenor.database.idempotency",
    "convenor.insights.models",
    "convenor.networks.models",
    "convenor.outcomes.models",
    "convenor.pathways.models",
    "convenor.providers.models",
    "convenor.pupils.models",
    "convenor.referrals.models",
    "convenor.schools.models",
    "convenor.slas.models",
    "convenor_auth.models",
):
    import_module(_module)

metadata = SQLModel.metadata
