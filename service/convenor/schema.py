"""Every table, so that the metadata is whole: for migrations and for tests that walk the catalogue."""

from sqlmodel import SQLModel

import convenor.areas.models
import convenor.benchmarks.models
import convenor.clusters.models
import convenor.commissioned_services.models
import convenor.contacts.models
import convenor.impact_returns.models
import convenor.kit.audit
import convenor.kit.idempotency
import convenor.networks.models
import convenor.outcomes.models
import convenor.pathways.models
import convenor.providers.models
import convenor.pupils.models
import convenor.referrals.models
import convenor.schools.models
import convenor.slas.models
import convenor_auth.models  # noqa: F401

metadata = SQLModel.metadata
