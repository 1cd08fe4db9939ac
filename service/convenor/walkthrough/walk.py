"""The way of the tour: who takes part, and in which order."""

from pathlib import Path
from typing import Any

import httpx2

from convenor.configuration_error import ConfigurationError
from convenor.walkthrough import graph, health, oversight, provider, school
from convenor.walkthrough.partner import Partner, read_clients
from convenor.walkthrough.transcript import TourEnded, Transcript

TIMEOUT_SECONDS = 30


def walk(base_url: str, data_dir: Path, *, quiet: bool) -> bool:
    """Make every call of the walkthrough against a running demo.

    Args:
        base_url: Where it serves, without a slash at the end.
        data_dir: The folder of its `demo-clients.json`.
        quiet: Whether to show one line a call instead of each request and answer.

    Returns:
        Whether every answer was as promised.

    Raises:
        ConfigurationError: Nothing answers there, or the demo's clients are not known.
    """
    clients, transcript = read_clients(data_dir), Transcript(quiet)
    with _open_client(base_url) as http:
        try:
            issuer = http.get("/.well-known/oauth-authorization-server").raise_for_status().json()["issuer"]
        except (httpx2.HTTPError, ValueError, KeyError, TypeError):
            raise ConfigurationError(
                f"No Convenor answers at {base_url}.",
                "Start the demo (`make demo`), or name its address by --base-url.",
            ) from None

        def partners(role: str) -> list[Partner]:
            found = [Partner(http, transcript, client, issuer) for client in clients if client["role"] == role]
            if not found:
                raise ConfigurationError(f"The demo's clients have no {role}.", "Name the data folder of the demo.")
            return found

        try:
            _walk(partners)
        except TourEnded:
            pass
        except httpx2.HTTPError as error:
            transcript.expect("every call is answered", False, f"{type(error).__name__}: {error}")
    return transcript.conclude()


def _open_client(base_url: str) -> httpx2.Client:
    try:
        # A proxy from the environment must not be used between two programs on one machine.
        return httpx2.Client(base_url=base_url, timeout=TIMEOUT_SECONDS, trust_env=False)
    except (httpx2.InvalidURL, ValueError):
        raise ConfigurationError(
            f"{base_url} is not the address of a service.", "Write it as http://host:port, with an IPv6 host in [ ]."
        ) from None


def _walk(partners: Any) -> None:
    mis = next(each for each in partners("school_mis") if each.client["client_secret"])
    other_mis = next(each for each in partners("school_mis") if each is not mis and each.client != mis.client)
    referred = school.refer(mis, other_mis, partners("health_system"))
    health.treat(referred)
    school.follow_referral(referred)
    # A demo of an older version has no client that hands over.
    if school.DECIDES in mis.client["scopes"]:
        school.hand_over(referred, other_mis)
    provider.report(partners("provider_portal")[0], partners("commissioner")[0])
    oversight.oversee(referred, partners("commissioner")[0], partners("board")[0], partners("auditor")[0])
    # A demo of an older version has no client that decides.
    for each in partners("commissioner"):
        if oversight.DECIDES in each.client["scopes"]:
            oversight.see_matches(each)
    graph.query_by_graphql(referred, partners("commissioner")[0], partners("board")[0])
