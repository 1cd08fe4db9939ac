"""Tell apart whom the auditor asks about and what was stated of them, so that the answer can name the pupils."""

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# The pupils of the person whom an organisation knows by an id (migrations 0015 and 0019). The auditor asks, whose role
# reads no pupil.
AUDITED_PUPILS = """
    create function audited_pupils(the_area uuid, the_pupil uuid, the_key bytea)
    returns table (area_id uuid, pupil_id uuid, school_urn text) language plpgsql stable rows 2 as $$
    #variable_conflict use_column
    declare before text := coalesce(current_setting('convenor.reach', true), '');
    begin
        perform set_config('convenor.reach', 'area', true);
        {find}return query
            with {person}
            select p.area_id, p.id, s.urn from person n
            join pupil p on p.area_id = the_area and p.id = n.id
            left join school s on s.area_id = p.area_id and s.id = p.school_id;
        perform set_config('convenor.reach', before, true);
    end
    $$
"""
# The ids by which events name pupils: the statements that were ever made of them, and the ids of the time before there
# were statements.
AUDITED_AS = """
    create function audited_as(the_area uuid, {asked})
    returns table (id uuid) language plpgsql stable rows 10 as $$
    #variable_conflict use_column
    declare before text := coalesce(current_setting('convenor.reach', true), '');
    begin
        perform set_config('convenor.reach', 'area', true);
        {find}return query
            {person}select s.id from pupil_statement s
            where s.area_id = the_area and s.pupil_id {is_asked}
            union
            select p.former_id from pupil p
            where p.area_id = the_area and p.former_id is not null
                and (p.id {is_asked} or p.joined_to {is_asked});
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
PERSON = """present as (
                select coalesce(p.joined_to, p.id) as id from pupil p
                where p.area_id = the_area and (p.id = the_pupil or p.former_id = the_pupil)
            ), person as (
                select n.id from present n
                union
                select o.pupil_id from present n
                join person_link l on l.area_id = the_area and l.pupil_id = n.id
                join person_link o on o.area_id = the_area and o.match_id = l.match_id and o.person_id = l.person_id
            )"""


def upgrade() -> None:
    op.execute("drop function audited_as")
    op.execute(AUDITED_PUPILS.format(find=FIND, person=PERSON))
    op.execute(AUDITED_AS.format(asked="the_pupils uuid[]", find="", person="", is_asked="= any(the_pupils)"))


def downgrade() -> None:
    op.execute("drop function audited_as")
    op.execute("drop function audited_pupils")
    asked, is_asked = "the_pupil uuid, the_key bytea", "in (select n.id from person n)"
    op.execute(AUDITED_AS.format(asked=asked, find=FIND, person=f"with {PERSON} ", is_asked=is_asked))
