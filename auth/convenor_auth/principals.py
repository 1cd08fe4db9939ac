"""Load the `Principal` of a client and its token's scopes in one statement."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol

from convenor.audit.models import INSTALLATION
from convenor.security.principal import Grant, Principal, Role, RowAccess
from convenor_auth.keys import SecretKeys, hmac_pads, key_of_organisation
from convenor_auth.roles import ROLES, clearances_of


class Connection(Protocol):
    """An asyncpg connection or pool."""

    async def fetch(self, query: str, *args: object) -> Sequence[Any]:
        """Run one statement and return its rows."""


_STATEMENT = """
select c.organisation_id, o.name as organisation, c.role, c.scopes, a.reference, a.ends_on, a.purposes,
       g.area_id, g.kind, k.key
from client c
join organisation o on o.id = c.organisation_id
join data_sharing_agreement a on a.id = c.agreement_id
left join client_grant g on g.client_id = c.client_id
left join lateral (
    select g.key union select p.id from predecessors_of(g.area_id, g.key) p where g.kind = 'school'
) k on true
where c.client_id = $1 and c.ended_at is null and ($3::bool or not exists (select from demo)) and (
    $2::text is null or exists (
        select from client_key k where k.client_id = c.client_id and k.kid = $2 and k.ended_at is null))
order by g.area_id, g.kind, k.key
"""
"""A school's successor continues its cases, so that a grant for a school is one for its predecessors too."""


async def load_principal(
    connection: Connection,
    client_id: str,
    scopes: Collection[str],
    keys: SecretKeys,
    *,
    kid: str | None = None,
    local: bool = False,
) -> Principal | None:
    """Load the principal; None if there is no such client, or the client or its key `kid` has ended.

    Unless `local`, a demo's clients are none either, even if the demo was loaded after the service had started.

    Leave out scopes of the token that the role or the registration no longer has. `TokenVerifier` checks the end of the
    agreement, on each call.
    """
    rows = await connection.fetch(_STATEMENT, client_id, kid, local)
    if not rows:
        return None
    client = rows[0]
    role = Role(client["role"])
    rule = ROLES[role]
    held = frozenset(scopes) & rule.scopes & frozenset(client["scopes"])
    return Principal(
        client_id=client_id,
        organisation_id=client["organisation_id"],
        organisation=client["organisation"],
        role=role,
        row_access=rule.row_access,
        scopes=held,
        clearances=clearances_of(role, held),
        grants=_grants(role, rows),
        agreement=client["reference"],
        agreement_ends_on=client["ends_on"],
        purposes=tuple(client["purposes"]),
        pseudonym_key=key_of_organisation(keys.pseudonym, client["organisation_id"]),
        id_key=None if rule.row_access is RowAccess.SCHOOL else hmac_pads(keys.id),
        sealer=keys.sealer,
    )


def _grants(role: Role, rows: Sequence[Any]) -> tuple[Grant, ...]:
    if role is Role.OPERATOR:
        return (Grant(INSTALLATION, RowAccess.AREA, INSTALLATION),)
    grants = (Grant(row["area_id"], RowAccess(row["kind"]), row["key"]) for row in rows if row["kind"] is not None)
    return tuple(dict.fromkeys(grants))
