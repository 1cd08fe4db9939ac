"""PostgreSQL itself reads what is declared: every column, type and join of every fragment is one that it knows."""

import asyncpg
import pytest
from support.api_client import Service
from support.declared_fields import access_profiles, graph_plans, rest_plans

from convenor.features import RESOURCES
from convenor.read_model.resource import Resource
from convenor.security.principal import FieldSensitivity, Role


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)
async def test_the_database_accepts_every_statement_of_a_resource(shared_service: Service, resource: Resource) -> None:
    connection = await asyncpg.connect(shared_service.app_url)
    try:
        # Roles that reach a resource alike have the same statements.
        sqls = {
            plan.sql
            for role in Role
            for profile in access_profiles(role, frozenset(FieldSensitivity))
            for plan in (*(plan for _, plan in rest_plans(resource, profile)), *graph_plans(resource, profile))
        }
        for sql in sqls:
            await connection.prepare(sql)
    finally:
        await connection.close()
