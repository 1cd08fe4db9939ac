"""List the features, each a package with the same file names, and every resource that they declare."""

from sqlmodel import SQLModel

from convenor.areas import routes as areas
from convenor.audit_trail import routes as audit_trail
from convenor.benchmarks import routes as benchmarks
from convenor.clusters import routes as clusters
from convenor.commissioned_services import routes as commissioned_services
from convenor.contacts import routes as contacts
from convenor.impact_returns import routes as impact_returns
from convenor.insights import routes as insights
from convenor.me import routes as me
from convenor.memberships import routes as memberships
from convenor.networks import routes as networks
from convenor.outcomes import routes as outcomes
from convenor.pathways import routes as pathways
from convenor.providers import routes as providers
from convenor.read_model.checks import check_together
from convenor.referrals import routes as referrals
from convenor.schools import routes as schools
from convenor.slas import routes as slas

FEATURES = (
    areas,
    clusters,
    schools,
    providers,
    commissioned_services,
    memberships,
    networks,
    benchmarks,
    slas,
    pathways,
    referrals,
    contacts,
    outcomes,
    impact_returns,
    insights,
    audit_trail,
    me,
)

RESOURCES = {
    route.reading.resource.name: route.reading.resource for feature in FEATURES for route in feature.read_routes
}
"""Every readable resource, by name."""

check_together(RESOURCES.values(), {name: table.columns.keys() for name, table in SQLModel.metadata.tables.items()})
