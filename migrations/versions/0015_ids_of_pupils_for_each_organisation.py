"""Show each organisation but the school an id of its own for a pupil, and let the auditor ask by any of them."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# HMAC-SHA-256 (RFC 2104) of organisation and pupil, cut to the shape of a UUIDv4. The key comes as its two pads, of 64
# bytes each. Without a key, it is null.
PUPIL_ID_FOR = """
    create function pupil_id_for(the_key bytea, the_organisation uuid, the_pupil uuid)
    returns uuid language sql immutable parallel safe
    return overlay(overlay(encode(substr(sha256(substr(the_key, 65)
        || sha256(substr(the_key, 1, 64) || uuid_send(the_organisation) || uuid_send(the_pupil))), 1, 16), 'hex')
        placing '4' from 13) placing '8' from 17)::uuid
"""

# As before, with the ids that are shown to organisations which have, or had, a client of the area. They are computed
# for every pupil of the area, because no id is stored that would tell whose it is.
AUDITED_AS = """
    create function audited_as(the_area uuid, the_pupil uuid{more})
    returns table (id uuid) language plpgsql stable rows 10 as $$
    #variable_conflict use_column
    declare before text := coalesce(current_setting('convenor.reach', true), '');
    begin
        perform set_config('convenor.reach', 'area', true);
        {find}return query
            with present as (
                select coalesce(p.joined_to, p.id) as id from pupil p
                where p.area_id = the_area and (p.id = the_pupil or p.former_id = the_pupil)
            )
            select s.id from pupil_statement s
            where s.area_id = the_area and s.pupil_id in (select n.id from present n)
            union
            select p.former_id from pupil p
            where p.area_id = the_area and p.former_id is not null
                and (p.id in (select n.id from present n) or p.joined_to in (select n.id from present n));
        perform set_config('convenor.reach', before, true);
    end
    $$
"""
FIND = """if not exists (
            select from pupil p where p.area_id = the_area and (p.id = the_pupil or p.former_id = the_pupil)
        ) then
            the_pupil := (
                select p.id from pupil p, (
                    select distinct c.organisation_id from client c join client_grant g on g.client_id = c.client_id
                    where g.area_id = the_area
                ) o
                where p.area_id = the_area and pupil_id_for(the_key, o.organisation_id, p.id) = the_pupil
                limit 1
            );
        end if;
        """


def upgrade() -> None:
    op.execute(PUPIL_ID_FOR)
    op.execute("drop function audited_as")
    op.execute(AUDITED_AS.format(more=", the_key bytea", find=FIND))


def downgrade() -> None:
    op.execute("drop function audited_as")
    op.execute(AUDITED_AS.format(more="", find=""))
    op.execute("drop function pupil_id_for")
