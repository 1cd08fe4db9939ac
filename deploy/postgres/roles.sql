-- The roles and the database that Convenor needs on your own PostgreSQL server (16 or newer).
--
-- Run it once with psql, as a superuser or a login with CREATEROLE and CREATEDB. The passwords come from the
-- environment, so that they are in no shell history and no process list:
--
--   export CONVENOR_OWNER_PASSWORD=...  CONVENOR_APP_PASSWORD=...  CONVENOR_BACKUP_PASSWORD=...
--   psql --dbname=postgres --file=deploy/postgres/roles.sql
--
-- Without CONVENOR_BACKUP_PASSWORD it makes no role for `convenor backup`. Only a superuser can make that one.
--
-- Other names: --set=database=... --set=owner=... --set=app=... --set=backup=...  Running it again changes nothing but
-- the passwords.
--
-- Then give Convenor both logins (percent-encode the passwords):
--
--   CONVENOR_DATABASE_URL=postgresql://convenor_app:...@host:5432/convenor
--   CONVENOR_OWNER_DATABASE_URL=postgresql://convenor_owner:...@host:5432/convenor
--
-- and, only where `convenor backup` runs:
--
--   CONVENOR_BACKUP_DATABASE_URL=postgresql://convenor_backup:...@host:5432/convenor
\set ON_ERROR_STOP on
\set QUIET on

\if :{?database}
\else
    \set database convenor
\endif
\if :{?owner}
\else
    \set owner convenor_owner
\endif
\if :{?app}
\else
    \set app convenor_app
\endif
\if :{?backup}
\else
    \set backup convenor_backup
\endif
\if :{?owner_password}
\else
    \getenv owner_password CONVENOR_OWNER_PASSWORD
\endif
\if :{?app_password}
\else
    \getenv app_password CONVENOR_APP_PASSWORD
\endif
\if :{?backup_password}
\else
    \getenv backup_password CONVENOR_BACKUP_PASSWORD
\endif
\if :{?owner_password}
\else
    \warn 'Set CONVENOR_OWNER_PASSWORD, the password that the owner is to have.'
    select 1 / 0 as "the password of the owner is missing";
\endif
\if :{?app_password}
\else
    \warn 'Set CONVENOR_APP_PASSWORD, the password that the application is to have.'
    select 1 / 0 as "the password of the application is missing";
\endif

-- The statements below hold passwords. A superuser keeps them out of the server's log. Others may not change these
-- settings, so the administrator must make sure that log_statement is not 'ddl' or 'all'.
select rolsuper as is_superuser from pg_roles where rolname = current_user \gset
\if :is_superuser
    set log_statement = 'none';
    set log_min_duration_statement = -1;
    set log_min_error_statement = 'panic';
\endif

-- The owner: holds the database and every table, runs the migrations, and is used for nothing else.
select format('create role %I', :'owner') where to_regrole(quote_ident(:'owner')) is null \gexec
alter role :"owner" login nocreatedb nocreaterole password :'owner_password';

-- The application: owns nothing. Row-level security, which separates the areas, does not apply to an owner, a superuser
-- or a role with BYPASSRLS. Convenor refuses to start with such a login.
select format('create role %I', :'app') where to_regrole(quote_ident(:'app')) is null \gexec
alter role :"app" login nocreatedb nocreaterole password :'app_password';

-- A role with rights that it must not have causes a division by zero, which ends the script.
select 1 / (not (rolsuper or rolbypassrls))::int as "checked" from pg_roles where rolname in (:'owner', :'app') \g /dev/null

-- To give a database to a role, one must be a member of the role or a superuser.
select rolsuper or pg_has_role(current_user, :'owner', 'set') as may_hand_over
    from pg_roles where rolname = current_user \gset
\if :may_hand_over
\else
    grant :"owner" to current_user with inherit true, set true;
\endif

select format('create database %I owner %I encoding ''UTF8'' template template0', :'database', :'owner')
    where not exists (select from pg_database where datname = :'database') \gexec
revoke all on database :"database" from public;
grant connect on database :"database" to :"app";

-- The backup: reads every row of this database's tables, whatever row-level security says, and writes nothing. It is not
-- in pg_read_all_data, which reads the password verifiers of the whole server too.
\if :{?backup_password}
    select format('create role %I', :'backup') where to_regrole(quote_ident(:'backup')) is null \gexec
    alter role :"backup" login nocreatedb nocreaterole bypassrls password :'backup_password';
    -- An earlier version of this script granted it.
    select format('revoke pg_read_all_data from %I', :'backup') where pg_has_role(:'backup', 'pg_read_all_data', 'member')
        \gexec
    grant connect on database :"database" to :"backup";
\endif

-- An error's text can quote data about children, which must not be in the server's log. The application gets every
-- error itself. Only a superuser may set these; otherwise set them for the complete server.
\if :is_superuser
    alter role :"app" in database :"database" set log_min_messages = 'log';
    alter role :"app" in database :"database" set log_min_error_statement = 'panic';
    alter role :"app" in database :"database" set log_error_verbosity = 'terse';
    alter role :"app" in database :"database" set log_parameter_max_length = 0;
    alter role :"app" in database :"database" set log_parameter_max_length_on_error = 0;
\endif

-- Last, since it needs another connection. The default privileges are for the tables that migrations and restores make.
\if :{?backup_password}
    \connect :"database"
    grant usage on schema public to :"backup";
    grant select on all tables in schema public to :"backup";
    grant select on all sequences in schema public to :"backup";
    alter default privileges for role :"owner" in schema public grant select on tables to :"backup";
    alter default privileges for role :"owner" in schema public grant select on sequences to :"backup";
\endif

\echo 'Roles' :owner 'and' :app 'and database' :database 'are ready.'
