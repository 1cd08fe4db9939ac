"""Hold the services of a worker, made once when it starts."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from convenor.audit.writer import AuditWriter
from convenor.database.pools import Pool
from convenor.http.write_queues import WriteQueues
from convenor.read_model.resource import Resource
from convenor.security.principal import Principal

Kind = TypeVar("Kind")


class TokenVerifier(Protocol):
    """What turns an access token into the caller."""

    async def verify(self, token: str) -> Principal:
        """Return the caller.

        Raises:
            Problem: The token is not valid, or the access under it has ended.
        """
        ...


@dataclass(frozen=True)
class AppServices:
    """The services of one worker.

    Attributes:
        issuer: The address under which clients know this service.
        readers: Connections for reads.
        sessions: Opens a session for a change.
        write_queues: Where changes of the same record wait for a session.
        audit_writer: Makes events durable.
        verifier: Authenticates requests.
        bulk_turns: Admits bulk loads.
        bulk_clients: The clients that have a bulk load under way, by client id.
        resources: Every readable resource, by name.
        others: Services of packages above this one, by their type.
    """

    issuer: str
    readers: Pool
    sessions: async_sessionmaker[AsyncSession]
    write_queues: WriteQueues
    audit_writer: AuditWriter
    verifier: TokenVerifier
    bulk_turns: asyncio.Semaphore
    resources: Mapping[str, Resource]
    bulk_clients: set[str] = field(default_factory=set)
    others: Mapping[type[Any], Any] = field(default_factory=dict)

    def get(self, kind: type[Kind]) -> Kind:
        """Return the service of a type that a package above this one brought.

        Raises:
            KeyError: The composition root made none.
        """
        service: Kind = self.others[kind]
        return service

    def provide(self, app: FastAPI) -> None:
        """Make the services those of an application."""
        app.state.services = self

    @staticmethod
    def of(app: FastAPI) -> "AppServices":
        """Return the services of an application that has started."""
        services: AppServices = app.state.services
        return services
