"""List the features, each a package with the same file names, and every resource that they declare."""

from sqlmodel import SQLModel

from convenor.areas import routes as areas
from convenor.audit.actions import register_actions
from convenor.audit_trail import routes as audit_trail
from convenor.benchmarks import routes as benchmarks
from convenor.clusters import routes as clusters
from convenor.commissioned_services import routes as commissioned_services
from convenor.contacts import routes as contacts
from convenor.handovers import routes as handovers
from convenor.http.feature import Feature
from convenor.impact_returns import routes as impact_returns
from convenor.insights import routes as insights
from convenor.me import routes as me
from convenor.memberships import routes as memberships
from convenor.networks import routes as networks
from convenor.outcomes import routes as outcomes
from convenor.pathways import routes as pathways
from convenor.providers import routes as providers
from convenor.pupil_matches import routes as pupil_matches
from convenor.read_model.checks import check_together
from convenor.read_model.sealed_rows import refuse_unsealed
from convenor.referrals import routes as referrals
from convenor.schools import routes as schools
from convenor.slas import routes as slas
from convenor_auth.roles import SCOPES

FEATURES: tuple[Feature, ...] = (
    me.FEATURE,
    areas.FEATURE,
    clusters.FEATURE,
    schools.FEATURE,
    providers.FEATURE,
    commissioned_services.FEATURE,
    memberships.FEATURE,
    networks.FEATURE,
    benchmarks.FEATURE,
    slas.FEATURE,
    pathways.FEATURE,
    referrals.FEATURE,
    pupil_matches.FEATURE,
    handovers.FEATURE,
    contacts.FEATURE,
    outcomes.FEATURE,
    impact_returns.FEATURE,
    insights.FEATURE,
    audit_trail.FEATURE,
)

RESOURCES = {
    route.reading.resource.name: route.reading.resource for feature in FEATURES for route in feature.reading_routes
}
"""Every readable resource, by name."""

TASKS = {kind: task for feature in FEATURES for kind, task in feature.tasks.items()}
"""What does each kind of pending work."""


def refuse_unknown_scopes(features: tuple[Feature, ...]) -> None:
    """Refuse a feature that asks for a scope which no client could hold.

    Raises:
        ValueError: `convenor_auth.roles` does not describe the scope.
    """
    for feature in features:
        if unknown := feature.scopes - SCOPES.keys():
            raise ValueError(f"The feature {feature.router.tag.name} asks for {unknown}: describe it in roles.SCOPES.")


refuse_unknown_scopes(FEATURES)
register_actions(action for feature in FEATURES for operation in feature.operations for action in operation.actions)
# What the worker and commands do, which no operation declares.
register_actions(
    (
        "handovers:match",
        "clients:create",
        "clients:end",
        "benchmarks:load",
        "clusters:load",
        "findings:load",
        "memberships:load",
        "networks:load",
        "offers:load",
        "pilot_schools:load",
        "providers:load",
        "school_links:load",
        "schools:load",
        "services:load",
    )
)
check_together(RESOURCES.values(), {name: table.columns.keys() for name, table in SQLModel.metadata.tables.items()})
for _resource in RESOURCES.values():
    refuse_unsealed(_resource, _resource.name, SQLModel.metadata)
