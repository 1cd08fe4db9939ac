"""Define the command `convenor`: parse the arguments, call the package that does the work, and report the result.

Exit codes: 0 done, 1 a check failed (`doctor`, `tour`, `load`), 2 an error that a person must correct first.
"""

import asyncio
import sys
from contextlib import nullcontext
from datetime import date
from functools import partial
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer
from rich.text import Text

from convenor.cli.clients import clients
from convenor.cli.shared import MARKUP, absolute, as_owner, parse_date, parse_year, read_settings
from convenor.config import Settings, url_of
from convenor.configuration_error import ConfigurationError
from convenor.stop_signals import stops_on_signals
from convenor.terminal import complain, out, progress, say, show_pairs

# Each command imports the packages that it needs, so that `--help` answers at once.

app = typer.Typer(
    help="Run Convenor, the API of neighbourhood peer clusters for schools, health services and providers.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=MARKUP,
    epilog="Settings are environment variables with the prefix CONVENOR_; the README lists them.",
)
app.add_typer(clients, name="clients")
areas = typer.Typer(
    help="Manage the areas, one for each local authority.", no_args_is_help=True, rich_markup_mode=MARKUP
)
app.add_typer(areas, name="areas")
keys = typer.Typer(help="Manage the installation's own keys.", no_args_is_help=True, rich_markup_mode=MARKUP)
app.add_typer(keys, name="keys")


def main() -> None:
    """Run the command until a signal ends it; report a configuration error and exit with 2."""
    if isinstance(sys.stdout, TextIOWrapper):
        # A path on the command line need not be UTF-8. Errors on stderr are escaped in any case.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        # Around every command, because any of them may have started the embedded database.
        with stops_on_signals():
            app()
    except ConfigurationError as error:
        complain(error)
        sys.exit(2)


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"convenor {version('convenor')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Parse the options that come before any command."""


@app.command()
def serve(
    new_keys: Annotated[
        bool,
        typer.Option(
            "--new-keys",
            help="Make new files for keys that are lost. A new signing-keys.json ends every token; a new pseudonym.key "
            "changes every pseudonym. No other key is made anew.",
        ),
    ] = False,
) -> None:
    """Serve until Ctrl-C. Start the embedded database if it is used, and migrate the database first."""
    from convenor import serving

    settings = read_settings()
    with (
        serving.hold_data_folder(settings.data_dir, settings.issuer, say),
        serving.hold_port(settings.host, settings.port) as port,
        serving.open_migrated(settings, say) as database,
    ):
        serving.prepare_keys(settings.data_dir, database.app_url, new_keys=new_keys)
        serving.serve(settings, database, port, lambda: _show_addresses(settings))
    say("Stopped.")


@app.command()
def demo(
    as_at: Annotated[
        date | None,
        typer.Option(
            parser=parse_date,
            metavar="YYYY-MM-DD",
            help="The date of the demo; everything in it happened before.",
            show_default="today",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**31 - 1, help="Another seed invents another Wendshire.", show_default="1"),
    ] = None,
    no_serve: Annotated[bool, typer.Option("--no-serve", help="Load the demo and exit.")] = False,
    reset: Annotated[
        bool,
        typer.Option("--reset", help="Delete the demo that is there, with all that was written since, and load anew."),
    ] = False,
) -> None:
    """Serve the demo until Ctrl-C, to this machine only. The first start loads the demo."""
    from convenor import serving
    from convenor.demo import assert_same_demo, load_demo, loaded_demo, write_demo_clients
    from convenor.domain_types.dates import today
    from convenor.startup_errors import explain_failure
    from convenor_auth.keys import load_secret_keys

    settings = read_settings()
    serving.assert_local(settings)
    with (
        serving.hold_data_folder(settings.data_dir, settings.issuer, say),
        nullcontext() if no_serve else serving.hold_port(settings.host, settings.port) as port,
        serving.open_migrated(settings, say) as database,
    ):
        owner_url = database.require_owner_url()
        with explain_failure("The demo cannot be loaded", "Correct that, then start again. Nothing was stored."):
            serving.prepare_keys(settings.data_dir, owner_url)
            if (loaded := loaded_demo(owner_url)) and not reset:
                assert_same_demo(loaded, as_at, seed)
                say("The demo is loaded already.")
            else:
                save_clients = partial(write_demo_clients, settings.data_dir)
                seed = 1 if seed is None else seed
                with progress() as advance:
                    load_demo(
                        owner_url,
                        as_at=as_at or today(),
                        seed=seed,
                        sealer=load_secret_keys(settings.data_dir).sealer,
                        progress=advance,
                        save_clients=save_clients,
                        reset=reset,
                    )
        if port is not None:
            serving.serve(settings, database, port, lambda: _show_demo(settings))
    say("The demo is loaded." if no_serve else "Stopped.")


@app.command()
def tour(
    base_url: Annotated[str | None, typer.Option(help="The demo's address.", show_default="as configured")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="The folder with demo-clients.json.", show_default="as configured")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print one line for each step.")] = False,
) -> None:
    """Walk through the main job over HTTP, as each partner in turn, and check every answer."""
    from convenor.walkthrough import walk

    settings = read_settings()
    address, folder = base_url or _local_address(settings), data_dir or settings.data_dir
    if not walk(address.rstrip("/"), folder, quiet=quiet):
        raise typer.Exit(1)


@app.command()
def migrate() -> None:
    """Bring the database to this version's schema."""
    from convenor import serving

    with serving.open_migrated(read_settings(), say):
        say("The database is at this version's schema.")


@areas.command("create")
def create_area(
    la_code: Annotated[str, typer.Option(help="The local authority's DfE code, three digits.")],
    name: Annotated[str, typer.Option(help="The local authority's name.")],
    gss_code: Annotated[str | None, typer.Option(help="The local authority's GSS code.")] = None,
    icb_name: Annotated[str | None, typer.Option(help="The integrated care board that serves the area.")] = None,
    icb_ods_code: Annotated[str | None, typer.Option(help="The board's ODS code.")] = None,
) -> None:
    """Create the area of a local authority, which can then be loaded and have clients."""
    from convenor.importers.areas import create_area

    fields = {"gss_code": gss_code, "icb_name": icb_name, "icb_ods_code": icb_ods_code}
    area = as_owner(lambda owner_url: asyncio.run(create_area(owner_url, la_code=la_code, name=name, **fields)))
    show_pairs({"Area": f"{area.la_code}, {area.name}"})


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="A CSV file with a heading: clusters, schools, memberships ...")],
    area: Annotated[str, typer.Option(help="LA code of the area that the file is about.")],
    year: Annotated[
        Any,
        typer.Option(
            parser=parse_year,
            metavar="YYYY/YY",
            help="School year of the file, for rows without days.",
            show_default="none",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report the findings and store nothing.")] = False,
    apply_rest: Annotated[bool, typer.Option("--apply-rest", help="Store the rows that no finding excludes.")] = False,
) -> None:
    """Import a file into an area, and report doubtful rows by line. Repeated, it changes nothing.

    docs/first-client.md describes the columns of each kind of file.
    """
    from convenor.importers import Verdict, load_file

    options = {"area": area, "year": year, "dry_run": dry_run, "apply_rest": apply_rest}
    report = as_owner(lambda owner_url: asyncio.run(load_file(owner_url, file, **options)))
    for note in report.notes:
        say(note)
    for finding in report.findings:
        out.print(Text(str(finding), style="yellow"))
    show_pairs(
        {
            "File": f"{report.kind} of {report.area}, {report.rows} rows",
            "Findings": str(len(report.findings)),
            "Result": report.verdict if report.verdict is Verdict.APPLIED else f"{report.verdict}, nothing is stored",
        }
        | {name.capitalize(): str(counts) for name, counts in report.counts.items()}
    )
    if report.verdict is Verdict.REFUSED:
        say("Nothing was stored. Correct the file, or add --apply-rest.")
        raise typer.Exit(1)


@app.command()
def backup(
    file: Annotated[
        Path, typer.Argument(help="A new file for the database; the keys go to FILE.keys in the same folder.")
    ],
) -> None:
    """Back up the database and the keys to two files. The service may be running."""
    from convenor.backup import back_up, keys_path
    from convenor.startup_errors import explain_failure

    with explain_failure("The backup failed", "Correct that, then repeat the command."):
        rows = back_up(read_settings(), file := absolute(file), say)
    show_pairs({"Database": f"{file}, {rows} rows", "Keys": str(keys_path(file))})
    say("With both files, anybody can read everything. Store them as safely as the installation, and apart from it.")


@app.command()
def restore(
    file: Annotated[
        Path, typer.Argument(help="The file that `convenor backup` wrote, with FILE.keys in the same folder.")
    ],
) -> None:
    """Restore a backup into an installation without data, and bring it to this version's schema."""
    from convenor import backup
    from convenor.startup_errors import explain_failure

    with explain_failure("The backup cannot be restored", "Correct that, then repeat the command."):
        backup.restore(read_settings(), absolute(file), say)
    say("The backup is restored, with its keys. Clients that ended after the backup are active again.")


@app.command()
def doctor() -> None:
    """Check this installation, and say what is wrong and what to do."""
    from convenor.doctor import diagnose
    from convenor.startup_errors import explain_failure

    settings = read_settings()
    with explain_failure("The installation cannot be checked", "Correct that, or CONVENOR_DATA_DIR."):
        findings = diagnose(settings)
    width = max(len(finding.name) for finding in findings) + 2
    for finding in findings:
        mark = ("ok     ", "green") if finding.ok else ("wrong  ", "bold red")
        out.print(Text.assemble(mark, (finding.name.ljust(width), "bold"), finding.detail))
        if not finding.ok:
            out.print(Text.assemble(" " * (7 + width), (finding.remedy, "yellow")))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def encrypt() -> None:
    """Seal what identifies pupils with the youngest data key, where it is not yet. The service may be running."""
    from convenor import encryption, serving
    from convenor.startup_errors import explain_failure
    from convenor_auth.key_check import check_keys
    from convenor_auth.keys import load_secret_keys

    settings = read_settings()
    with (
        serving.open_migrated(settings, say) as database,
        explain_failure("The command failed", "Correct that, then repeat the command, which goes on from here."),
    ):
        asyncio.run(check_keys(database.app_url, settings.data_dir))
        encryption.refuse_lost_keys(asyncio.run(encryption.data_keys_in_use(database.app_url)), settings.data_dir)
        sealer = load_secret_keys(settings.data_dir).sealer
        done = encryption.encrypt(database.app_url, database.owner_url, sealer)
    say(f"{done.rows} rows were sealed. Everything is sealed now, and with no older key than data key {done.number}.")


@keys.command("rotate")
def rotate_keys() -> None:
    """Make a new data key. What is stored from now on is sealed with it; the older keys still open the rest."""
    from convenor import encryption, serving
    from convenor.startup_errors import explain_failure
    from convenor_auth.key_check import check_keys
    from convenor_auth.keys import make_data_key

    settings = read_settings()
    with (
        serving.open_migrated(settings, say) as database,
        explain_failure("The command failed", "Correct that, then repeat the command."),
    ):
        asyncio.run(check_keys(database.app_url, settings.data_dir))
        # A key that is lost must be missed: another one under its number would hide that.
        encryption.refuse_lost_keys(asyncio.run(encryption.data_keys_in_use(database.app_url)), settings.data_dir)
        number = make_data_key(settings.data_dir)
    say(f"Data key {number} seals from now on. Run `convenor encrypt` to seal with it what older keys sealed.")


def _local_address(settings: Settings) -> str:
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on
    return url_of(everywhere.get(settings.host, settings.host), settings.port)


def _show_addresses(settings: Settings) -> None:
    address = _local_address(settings)
    pairs = {"Convenor": address, "Documentation": f"{address}/docs", "Ready": f"{address}/health/ready"}
    if settings.issuer != address:
        pairs["Public address"] = settings.issuer
    show_pairs(pairs)
    say("Press Ctrl-C to stop.")


def _show_demo(settings: Settings) -> None:
    from convenor.demo.clients import FILE_NAME

    address, clients_file = _local_address(settings), settings.data_dir / FILE_NAME
    show_pairs(
        {
            "Convenor": address,
            "Documentation": f"{address}/docs",
            "Demo's clients": str(clients_file),
            "Walkthrough": f"{sys.argv[0]} tour --base-url {address}",
        }
    )
    out.print()
    out.print(Text("A first call, as a school's MIS:", style="bold"))
    out.print(Text(first_call(address, clients_file)))
    say("Press Ctrl-C to stop. The next start uses the same data.")


def first_call(address: str, clients_file: Path) -> str:
    """Write shell lines that get a token for a school's MIS, and read its access and its cluster's services.

    Args:
        address: The demo's address.
        clients_file: The demo's `demo-clients.json`. The lines read the secret from it and do not show it.
    """
    login = (
        'import json,sys; c = next(c for c in json.load(open(sys.argv[1])) if c["role"] == "school_mis" '
        'and c["client_secret"]); print(c["client_id"] + ":" + c["client_secret"])'
    )
    answer = 'import json,sys; print(json.load(sys.stdin)["access_token"])'
    return "\n".join(
        [
            f"LOGIN=$(python3 -c {quote(login)} {quote(str(clients_file))})",
            'TOKEN=$(curl -s -u "$LOGIN" -d "grant_type=client_credentials&scope=services:read" \\',
            f"  {address}/oauth/token | python3 -c {quote(answer)})",
            f'curl -sw "\\n" -H "Authorization: Bearer $TOKEN" {address}/v1/me',
            f'curl -s -H "Authorization: Bearer $TOKEN" "{address}/v1/services?limit=2"',
        ]
    )
