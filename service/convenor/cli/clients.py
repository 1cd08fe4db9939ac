"""Define `convenor clients`: register, list, show and end the systems that may request tokens."""

import asyncio
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from convenor.cli.shared import MARKUP, as_owner, parse_date
from convenor.security.principal import Role
from convenor.terminal import out, say, show_pairs

clients = typer.Typer(help="Manage the systems that may request tokens.", no_args_is_help=True, rich_markup_mode=MARKUP)


@clients.command("create")
def create_client(
    role: Annotated[Role, typer.Option(help="The client's role.")],
    organisation: Annotated[str, typer.Option(help="Name of the organisation that is responsible for the client.")],
    agreement: Annotated[str, typer.Option(help="Reference of the data sharing agreement.")],
    purpose: Annotated[
        list[str], typer.Option(help="A purpose of the agreement; the first holds for calls that name none.")
    ],
    legal_basis: Annotated[str, typer.Option(help="Legal basis of the agreement.")],
    agreement_ends: Annotated[
        date | None,
        typer.Option(parser=parse_date, metavar="YYYY-MM-DD", help="Last day of the agreement.", show_default="none"),
    ] = None,
    area: Annotated[str, typer.Option(help="LA code of the client's area.")] = "",
    school: Annotated[list[str] | None, typer.Option(help="URN of a school that the client acts for.")] = None,
    provider: Annotated[
        list[str] | None, typer.Option(help="ODS code or name of a provider that the client acts for.")
    ] = None,
    cluster: Annotated[list[str] | None, typer.Option(help="Code of a cluster that the client acts for.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="A scope that the client may request.", show_default="all of the role but pupils:identify"),
    ] = None,
    jwk: Annotated[
        Path | None, typer.Option(help="File with the client's public JWK; without one, the client gets a secret.")
    ] = None,
    audience_token_address: Annotated[
        bool,
        typer.Option(
            "--audience-token-address", help="Its assertions may name the token address as `aud`, not the issuer alone."
        ),
    ] = False,
    note: Annotated[str, typer.Option(help="A note for operators.")] = "",
) -> None:
    """Register a client, and show its secret once."""
    from convenor.client_administration import Agreement, Registration, read_jwk, register

    keys_by_kind = {"school": school, "provider": provider, "cluster": cluster}
    wanted = Registration(
        role,
        organisation,
        Agreement(agreement, tuple(purpose), legal_basis, agreement_ends),
        area,
        tuple((kind, key) for kind, keys in keys_by_kind.items() for key in keys or ()),
        tuple(scope or ()),
        read_jwk(jwk) if jwk else None,
        note,
        audience_token_address,
    )
    created = as_owner(lambda owner_url: asyncio.run(register(owner_url, wanted)))
    show_pairs({"client_id": created.client_id} | ({"client_secret": created.secret} if created.secret else {}))
    if created.secret:
        say("The secret is not stored. Pass it on now, over a secure channel.")


@clients.command("list")
def list_clients() -> None:
    """List all clients, ended ones too."""
    from convenor.client_administration import list_clients

    for client in as_owner(lambda owner_url: asyncio.run(list_clients(owner_url))):
        out.print(Text("  ".join(client.values())))


@clients.command("show")
def show_client(client_id: Annotated[str, typer.Argument(help="The client's id.")]) -> None:
    """Describe a client, without its secret."""
    from convenor.client_administration import show_client

    show_pairs(as_owner(lambda owner_url: asyncio.run(show_client(owner_url, client_id))))


@clients.command("end")
def end_client(client_id: Annotated[str, typer.Argument(help="The client's id.")]) -> None:
    """End a client, whose next request is then refused."""
    from convenor.client_administration import end

    as_owner(lambda owner_url: asyncio.run(end(owner_url, client_id)))
    say(f"{client_id} has ended.")
