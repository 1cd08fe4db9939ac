"""What the commands say to a person, and what they refuse before anything is started."""

import asyncio
import json
import os
import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from joserfc.jwk import ECKey
from support.api_client import Service, pupil_referral
from support.databases import Server, named
from support.installation import Installation
from typer.testing import CliRunner

from convenor.areas.models import Area, area_id_of
from convenor.cli.commands import app
from convenor.client_administration import Agreement, Registration, end, list_clients, register, show_client
from convenor.configuration_error import ConfigurationError
from convenor.database.row_security import import_context, set_context
from convenor.domain_types.dates import today
from convenor.importers.areas import owner_transaction
from convenor.log import say_nothing
from convenor.reference import CLUSTERS, PILOT_SCHOOLS
from convenor.schools.models import School
from convenor.security.principal import Role
from convenor.serving import LOCK_FILE, OPEN_TO_OTHERS, hold_data_folder
from convenor.walkthrough import walk
from convenor_auth.keys import KEY_FILES, PSEUDONYM_FILE, make_keys

AGREEMENT = Agreement("DSA-997-1", ("direct support",), "public task")


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "data")


def run_here(installation: Installation, *arguments: str) -> tuple[int, str]:
    """Run a command in this process, which is enough where nothing of a process is tested.

    Returns:
        Its exit code, and what it says.
    """
    absent: dict[str, str | None] = {name: None for name in os.environ if name.startswith("CONVENOR_")}
    result = CliRunner().invoke(app, arguments, env={**absent, **installation.environment})
    if isinstance(result.exception, ConfigurationError):
        return 2, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


class TestItIsRefusedInWords:
    def test_a_setting_that_cannot_be_read_is_refused_and_its_value_is_not_repeated(
        self, installation: Installation
    ) -> None:
        installation.settings |= {"CONVENOR_WORKERS": "hidden"}
        refused = installation.run("serve")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "CONVENOR_WORKERS" in refused.stderr
        assert "hidden" not in refused.stderr
        assert "Traceback" not in refused.stderr

    def test_a_command_that_there_is_not_is_refused(self, installation: Installation) -> None:
        refused = installation.run("dance")
        assert refused.returncode == 2
        assert "No such command 'dance'" in refused.stderr

    @pytest.mark.parametrize("day", ["9999-12-31", "1899-12-31", "2026-02-30", "\udcff"])
    def test_an_agreement_that_ends_on_no_day_of_these_centuries_is_refused(
        self, installation: Installation, day: str
    ) -> None:
        options = ["--role=operator", "--organisation=O", "--agreement=A", "--purpose=P", "--legal-basis=L"]
        code, output = run_here(installation, "clients", "create", *options, f"--agreement-ends={day}")
        assert (code, "from 1900 to 2999" in " ".join(output.split())) == (2, True)
        assert not installation.data_dir.exists()

    def test_a_tour_is_refused_where_no_demo_was_loaded(self, installation: Installation) -> None:
        refused = installation.run("tour")
        assert refused.returncode == 2
        assert "make demo" in refused.stderr

    def test_a_tour_is_refused_where_nothing_answers(self, installation: Installation) -> None:
        installation.data_dir.mkdir()
        (installation.data_dir / "demo-clients.json").write_text("[]")
        refused = installation.run("tour")
        assert refused.returncode == 2
        assert f"No Convenor answers at {installation.url}" in refused.stderr

    @pytest.mark.parametrize(
        "address",
        [
            *(
                "http://[::1",
                "http://x:abc",
                "http://x:99999",
                "http://",
                "ftp://x",
                "x",
                "http://a b",
                "http://x/\x01",
            ),
            *("http://\x80", "http://ä..x", "http://999.1.1.1", "http://127.0.0.1:1/\udcff", "file:///etc/passwd"),
        ],
    )
    def test_a_tour_is_refused_where_no_address_is_named(self, tmp_path: Path, address: str) -> None:
        (tmp_path / "demo-clients.json").write_text("[]")
        with pytest.raises(ConfigurationError, match=r"not the address of a service|No Convenor answers"):
            walk(address, tmp_path, quiet=True)

    @pytest.mark.parametrize("content", ["{}", "null", "[1]", '[{"role": "school_mis"}]', "no json", "[" * 100_000])
    def test_a_tour_is_refused_where_the_demo_s_clients_are_not_in_their_file(
        self, tmp_path: Path, content: str
    ) -> None:
        (tmp_path / "demo-clients.json").write_text(content)
        with pytest.raises(ConfigurationError, match="clients cannot be read"):
            walk("http://127.0.0.1:1", tmp_path, quiet=True)

    def test_the_address_of_an_ipv6_host_has_brackets(self, installation: Installation) -> None:
        installation.data_dir.mkdir()
        (installation.data_dir / "demo-clients.json").write_text("[]")
        installation.settings["CONVENOR_HOST"] = "::1"
        refused = installation.run("tour")
        assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
        assert f"No Convenor answers at http://[::1]:{installation.port}" in refused.stderr

    @pytest.mark.parametrize(
        ("command", "setting", "value"),
        [
            ("serve", "CONVENOR_HOST", "x..y"),
            ("migrate", "CONVENOR_DATA_DIR", "x" * 5_000),
            ("doctor", "CONVENOR_DATA_DIR", "x" * 5_000),
            ("doctor", "CONVENOR_DATA_DIR", "~nobody-of-this-name/data"),
            ("migrate", "CONVENOR_DATABASE_URL", "postgresql://a:b@x..y/c"),
        ],
    )
    def test_a_setting_that_nothing_can_be_made_of_is_refused(
        self, installation: Installation, command: str, setting: str, value: str
    ) -> None:
        installation.settings[setting] = value
        code, output = run_here(installation, command)
        assert (code, len(output.splitlines())) == (2, 2), output

    @pytest.mark.parametrize("content", ['["no", "key"]', "no json", "[" * 100_000], ids=["list", "text", "deep"])
    def test_a_file_that_is_no_key_is_refused(self, installation: Installation, tmp_path: Path, content: str) -> None:
        (tmp_path / "key.json").write_text(content)
        options = ["--role=operator", "--organisation=O", "--agreement=A", "--purpose=P", "--legal-basis=L", "--jwk"]
        code, output = run_here(installation, "clients", "create", *options, str(tmp_path / "key.json"))
        assert code == 2
        assert "does not hold a JWK" in output
        assert not installation.data_dir.exists()


class TestItSays:
    def test_the_command_says_which_version_it_is(self, installation: Installation) -> None:
        assert installation.run("--version").stdout.startswith("convenor 0.")

    def test_the_commands_are_listed_without_colours_where_nobody_looks(self, installation: Installation) -> None:
        help_text = installation.run("--help").stdout
        for command in ("serve", "demo", "tour", "migrate", "load", "clients", "backup", "restore", "doctor"):
            assert f"\n  {command} " in help_text
        assert "\x1b" not in help_text


class TestTheDataFolder:
    def test_a_folder_that_is_open_to_others_is_closed_and_the_operator_is_told(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o775)
        sentences: list[str] = []
        for _ in range(2):
            with hold_data_folder(tmp_path, "http://127.0.0.1", sentences.append):
                assert not tmp_path.stat().st_mode & OPEN_TO_OTHERS
        assert sentences == [f"The data folder {tmp_path} was open to others; it is closed to them now."]

    def test_a_folder_that_is_open_to_others_and_belongs_to_somebody_else_is_refused(self) -> None:
        # The system's own folder of temporary files belongs to root, and is open to everybody.
        folder, user = Path("/tmp"), os.geteuid()
        belongs = pytest.raises(ConfigurationError, match=r"belongs to another system user\.\n.*chmod 700 ")
        if user == 0:
            os.seteuid(65534)
        try:
            with belongs, hold_data_folder(folder, "http://127.0.0.1", say_nothing):
                pass
        finally:
            os.seteuid(user)
        assert not (folder / LOCK_FILE).exists()


class TestTheDoctor:
    def test_the_doctor_finds_nothing_wrong_before_the_first_start_and_makes_nothing(
        self, installation: Installation
    ) -> None:
        well = installation.run("doctor")
        assert well.returncode == 0, well.stdout
        assert {line.split()[0] for line in well.stdout.splitlines()} == {"ok"}
        assert not installation.data_dir.exists()

    def test_the_doctor_finds_nothing_wrong_after_a_migration_alone(self, installation: Installation) -> None:
        assert installation.run("migrate").returncode == 0
        code, output = run_here(installation, "doctor")
        assert (code, {line.split()[0] for line in output.splitlines()}) == (0, {"ok"}), output

    @pytest.mark.parametrize("name", ["signing-keys.json", "pseudonym.key", "demo-clients.json"])
    def test_the_doctor_finds_secrets_that_others_can_read(self, installation: Installation, name: str) -> None:
        installation.data_dir.mkdir(mode=0o700)
        path = installation.data_dir / name
        path.write_text("{}")
        path.chmod(0o640)
        code, output = run_here(installation, "doctor")
        assert code == 1
        assert f"chmod 600 {path}" in output

    def test_the_doctor_finds_a_data_folder_that_others_can_read(self, installation: Installation) -> None:
        installation.data_dir.mkdir(mode=0o755)
        installation.data_dir.chmod(0o755)
        code, output = run_here(installation, "doctor")
        assert code == 1
        assert f"chmod 700 {installation.data_dir}" in output

    @pytest.mark.parametrize("name", KEY_FILES)
    def test_the_doctor_finds_that_one_key_is_gone_before_the_database_is_started(
        self, installation: Installation, name: str
    ) -> None:
        make_keys(installation.data_dir)
        assert run_here(installation, "doctor")[0] == 0
        (installation.data_dir / name).unlink()
        code, output = run_here(installation, "doctor")
        assert (code, f"{installation.data_dir / name} is missing" in output) == (1, True)

    def test_the_doctor_finds_that_the_keys_of_a_demo_are_gone_before_the_database_is_started(
        self, installation: Installation
    ) -> None:
        installation.data_dir.mkdir(mode=0o700)
        (installation.data_dir / "demo-clients.json").touch(mode=0o600)
        code, output = run_here(installation, "doctor")
        assert (code, f"{installation.data_dir / PSEUDONYM_FILE} is missing" in output) == (1, True)

    def test_the_doctor_finds_a_public_address_in_plain_http(self, installation: Installation) -> None:
        installation.settings["CONVENOR_PUBLIC_URL"] = "http://convenor.example"
        code, output = run_here(installation, "doctor")
        assert code == 1
        assert "CONVENOR_PUBLIC_URL" in output


class TestACommandBesideTheService:
    """On a PostgreSQL server of one's own, with both logins."""

    @pytest.fixture
    def installation(self, tmp_path: Path, server: Server, service: Service) -> Installation:
        owner_url = named(server.owner_url, urlsplit(service.app_url).path[1:])
        urls = {"CONVENOR_DATABASE_URL": service.app_url, "CONVENOR_OWNER_DATABASE_URL": owner_url}
        return Installation(tmp_path / "data", settings=urls)

    def test_a_command_loads_what_is_beyond_doubt_only_when_asked_to(self, installation: Installation) -> None:
        assert installation.run("load", "--area=South Gloucestershire", str(CLUSTERS)).returncode == 0
        load = "load", "--area=South Gloucestershire", str(PILOT_SCHOOLS)
        checked = installation.run(*load, "--dry-run")
        assert (checked.returncode, "checked, nothing is stored" in checked.stdout) == (0, True)
        refused = installation.run(*load)
        assert refused.returncode == 1
        assert "refused, nothing is stored" in refused.stdout
        assert "line" in refused.stdout
        assert "--apply-rest" in refused.stderr
        assert installation.run(*load, "--apply-rest").returncode == 0

    async def test_a_command_registers_a_client_with_its_key_and_ends_it(
        self, installation: Installation, service: Service, tmp_path: Path
    ) -> None:
        key = ECKey.generate_key("P-384", {"kid": "one", "alg": "ES384"})
        (tmp_path / "key.json").write_text(json.dumps(key.as_dict(private=False)))
        options = [
            "--role=operator",
            "--organisation=Operator",
            "--agreement=DSA-1",
            "--purpose=care",
            "--legal-basis=task",
        ]
        created = installation.run("clients", "create", *options, f"--jwk={tmp_path / 'key.json'}")
        assert created.returncode == 0, created.stderr
        assert "client_secret" not in created.stdout
        client_id = created.stdout.split()[1]
        assert installation.run("clients", "end", client_id).returncode == 0
        unknown = installation.run("clients", "end", "nobody")
        assert (unknown.returncode, "There is no such client" in unknown.stderr) == (2, True)

    async def test_commands_replace_the_data_key_but_no_lost_one_and_the_doctor_says_which_are_in_use(
        self, installation: Installation, service: Service
    ) -> None:
        shutil.copytree(service.data_dir, installation.data_dir, ignore=shutil.ignore_patterns("postgres*", "*.lock"))
        made = await service.as_("school").post("/v1/referrals", pupil_referral("SLT"))
        assert made.status_code == 201, made.text
        rotated = installation.run("keys", "rotate")
        assert (rotated.returncode, "Data key 2 seals from now on" in rotated.stderr) == (0, True), rotated.stderr
        for rows in (3, 0):
            sealed = installation.run("encrypt")
            assert (sealed.returncode, f"{rows} rows were sealed" in sealed.stderr) == (0, True), sealed.stderr
        assert "in use: 2; 1.key is not in use and can be removed" in installation.run("doctor").stdout
        (installation.data_dir / "data-keys/2.key").unlink()
        lost = installation.run("doctor")
        assert (lost.returncode, "2.key is missing, and ciphertexts need it" in lost.stdout) == (1, True), lost.stdout
        for command in (["keys", "rotate"], ["encrypt"]):
            refused = installation.run(*command)
            assert (refused.returncode, "2.key is missing, and ciphertexts need it" in refused.stderr) == (2, True)
        assert [path.name for path in (installation.data_dir / "data-keys").iterdir()] == ["1.key"]

    def test_the_doctor_finds_nothing_wrong_with_a_server_of_one_s_own_but_keys_that_are_gone(
        self, installation: Installation
    ) -> None:
        make_keys(installation.data_dir)
        well = installation.run("doctor")
        assert well.returncode == 0, well.stdout
        assert "\nok     schema " in well.stdout
        (installation.data_dir / PSEUDONYM_FILE).unlink()
        ill = installation.run("doctor")
        assert ill.returncode == 1
        assert f"{installation.data_dir / PSEUDONYM_FILE} is missing" in ill.stdout


class TestAClientIsRegistered:
    """By the rules behind `convenor clients`, in an area (LA code 997) with one school."""

    @pytest.fixture
    async def owner_url(self, server: Server, service: Service) -> str:
        url = named(server.owner_url, urlsplit(service.app_url).path[1:])
        async with owner_transaction(url) as session:
            area_id = area_id_of("997")
            await set_context(session, import_context(area_id))
            session.add(Area(area_id=area_id, la_code="997", name="Merrowshire"))
            await session.flush()
            session.add(School(area_id=area_id, urn="900901", name="Merrow School", phase="primary", status="open"))
        return url

    @pytest.mark.parametrize(
        ("role", "area", "stands_for", "reason"),
        [
            (Role.SCHOOL_MIS, "", (("school", "900901"),), "needs its area"),
            (Role.SCHOOL_MIS, "997", (), "one --school at least"),
            (Role.SCHOOL_MIS, "997", (("provider", "RW1"),), "one --school at least"),
            (Role.SCHOOL_MIS, "997", (("school", "900001"),), "No school of this area: 900001"),
            (Role.BOARD, "997", (("school", "900901"),), "--area alone"),
            (Role.BOARD, "996", (), "There is no area 996"),
            (Role.OPERATOR, "997", (), "belongs to no area"),
        ],
    )
    async def test_a_client_is_not_registered_for_what_its_role_does_not_stand_for(
        self, owner_url: str, role: Role, area: str, stands_for: tuple[tuple[str, str], ...], reason: str
    ) -> None:
        with pytest.raises(ConfigurationError) as refusal:
            await register(owner_url, Registration(role, "Merrow", AGREEMENT, area, stands_for))
        assert reason in str(refusal.value)

    async def test_a_client_is_not_registered_under_another_organisation_s_agreement(self, owner_url: str) -> None:
        await register(owner_url, Registration(Role.BOARD, "Merrow Board", AGREEMENT, "997"))
        with pytest.raises(ConfigurationError, match="belongs to another organisation"):
            await register(owner_url, Registration(Role.BOARD, "Other Board", AGREEMENT, "997"))

    @pytest.mark.parametrize(
        ("terms", "reason"),
        [
            ({"purposes": ("another",)}, "with other terms: for direct support, on public task, until"),
            ({"legal_basis": "another"}, "with other terms"),
            ({"ends_on": date(2099, 12, 31)}, "with other terms"),
        ],
    )
    async def test_a_client_is_not_registered_under_other_terms_than_its_agreement_s(
        self, owner_url: str, terms: dict[str, Any], reason: str
    ) -> None:
        agreed = replace(AGREEMENT, ends_on=today() + timedelta(days=1))
        wanted = Registration(Role.BOARD, "Merrow Board", agreed, "997")
        await register(owner_url, wanted)
        for same in (agreed, AGREEMENT):
            await register(owner_url, replace(wanted, agreement=same))
        with pytest.raises(ConfigurationError, match=reason):
            await register(owner_url, replace(wanted, agreement=replace(AGREEMENT, **terms)))

    @pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
    async def test_a_client_is_not_registered_under_an_agreement_that_is_over(
        self, owner_url: str, service: Service, there: bool
    ) -> None:
        wanted = Registration(Role.BOARD, "Merrow Board", AGREEMENT, "997")
        if there:
            await register(owner_url, wanted)
            connection = await asyncpg.connect(service.superuser_url)
            await connection.execute(
                "update data_sharing_agreement set starts_on = '2020-09-01', ends_on = '2021-07-31'"
                " where reference = $1",
                AGREEMENT.reference,
            )
            await connection.close()
        else:
            wanted = replace(wanted, agreement=replace(AGREEMENT, ends_on=date(2021, 7, 31)))
        with pytest.raises(ConfigurationError, match="DSA-997-1 ended on 2021-07-31"):
            await register(owner_url, wanted)

    @pytest.mark.parametrize("option", ["--organisation", "--agreement", "--purpose", "--legal-basis", "--school"])
    @pytest.mark.parametrize("text", ["", " ", "two\nlines", "\0", "\udcff", "a\u200bb", "\u202e", "x" * 201])
    async def test_a_client_is_not_registered_with_what_is_no_line_of_text(self, option: str, text: str) -> None:
        await self.assert_no_line({option: text}, option)

    @pytest.mark.parametrize("option", ["--area", "--note"])
    @pytest.mark.parametrize("text", [" ", "two\nlines", "\0", "\udcff", "a\u200bb", "\u202e", "x" * 201])
    async def test_a_client_is_not_registered_with_an_area_or_a_note_that_is_no_line_of_text(
        self, option: str, text: str
    ) -> None:
        await self.assert_no_line({option: text}, option)

    async def assert_no_line(self, given: dict[str, str], option: str) -> None:
        """It is refused before any database is asked."""
        options = dict.fromkeys(["--organisation", "--agreement", "--purpose", "--legal-basis"], "options")
        options |= {"--area": "997", "--school": "900901", "--note": ""} | given
        agreement = Agreement(options["--agreement"], (options["--purpose"],), options["--legal-basis"])
        schools = (("school", options["--school"]),)
        wanted = Registration(
            Role.SCHOOL_MIS, options["--organisation"], agreement, options["--area"], schools, note=options["--note"]
        )
        with pytest.raises(ConfigurationError, match=rf"^{option} is not one line of text: .*[^.]\.\n"):
            await register("", wanted)

    async def test_a_client_is_registered_once_for_a_record_that_is_named_twice(
        self, owner_url: str, service: Service
    ) -> None:
        twice = (("school", "900901"), ("school", " 900901"))
        created = await register(owner_url, Registration(Role.SCHOOL_MIS, "Merrow", AGREEMENT, "997", twice))
        connection = await asyncpg.connect(service.superuser_url)
        granted = await connection.fetchval("select count(*) from client_grant where client_id = $1", created.client_id)
        await connection.close()
        assert granted == 1

    async def test_a_client_is_registered_beside_others_of_the_same_new_organisation_and_agreement(
        self, owner_url: str, service: Service
    ) -> None:
        wanted = Registration(Role.BOARD, "Merrow Board", AGREEMENT, "997")
        created = await asyncio.gather(*(register(owner_url, wanted) for _ in range(4)))
        assert len({each.client_id for each in created}) == 4
        connection = await asyncpg.connect(service.superuser_url)
        organisations = await connection.fetchval("select count(*) from organisation where name = 'Merrow Board'")
        await connection.close()
        assert organisations == 1

    async def test_a_client_gets_tokens_until_it_is_ended(self, owner_url: str, service: Service) -> None:
        wanted = Registration(Role.SCHOOL_MIS, "Merrow School", AGREEMENT, "997", (("school", "900901"),))
        created = await register(owner_url, wanted)
        assert created.secret

        async def ask() -> int:
            data = {"grant_type": "client_credentials", "scope": "schools:read"}
            answer = await service.http.post("/oauth/token", data=data, auth=(created.client_id, created.secret or ""))
            return answer.status_code

        assert await ask() == 200
        await end(owner_url, created.client_id)
        assert await ask() == 401

    async def test_a_client_that_there_is_not_is_not_shown(self, owner_url: str) -> None:
        with pytest.raises(ConfigurationError, match="no such client"):
            await show_client(owner_url, "nobody")

    async def test_a_client_is_listed_and_shown_until_and_after_it_is_ended(self, owner_url: str) -> None:
        wanted = Registration(
            Role.SCHOOL_MIS,
            "Merrow School",
            AGREEMENT,
            "997",
            (("school", "900901"),),
            public_jwk=ECKey.generate_key("P-256", {"kid": "first", "alg": "ES256"}).as_dict(private=False),
            audience_token_address=True,
        )
        created = await register(owner_url, wanted)
        operator = await register(owner_url, Registration(Role.OPERATOR, "Merrow", replace(AGREEMENT, reference="O")))
        listed = {client["client"]: client for client in await list_clients(owner_url)}
        assert listed[created.client_id] == {
            "client": created.client_id,
            "role": "school_mis",
            "organisation": "Merrow School",
            "state": "active",
        }
        shown = await show_client(owner_url, created.client_id)
        assert {
            name: shown[name] for name in ("agreement", "purposes", "acts for", "proves itself by", "audience")
        } == {
            "agreement": "DSA-997-1, without an end",
            "purposes": "direct support",
            "acts for": "school 900901 of area 997",
            "proves itself by": "ES256 first",
            "audience": "issuer or token address",
        }
        other = await show_client(owner_url, operator.client_id)
        assert (other["acts for"], other["proves itself by"], other["audience"]) == (
            "the installation",
            "a secret",
            "issuer",
        )
        assert operator.secret
        assert operator.secret not in str(other)
        await end(owner_url, created.client_id)
        assert (await show_client(owner_url, created.client_id))["state"] == f"ended on {today()}"

    async def test_who_registers_and_ends_a_client_is_in_the_audit_of_its_area(
        self, owner_url: str, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOGNAME", "rowan")
        created = await register(owner_url, Registration(Role.BOARD, "Merrow Board", AGREEMENT, "997"))
        with pytest.raises(ConfigurationError):
            await end(owner_url, "nobody")
        await end(owner_url, created.client_id)
        auditor = await register(
            owner_url, Registration(Role.AUDITOR, "Merrow Board", replace(AGREEMENT, reference="A"), "997")
        )
        data = {"grant_type": "client_credentials", "scope": "audit:read"}
        answer = await service.http.post("/oauth/token", data=data, auth=(auditor.client_id, auditor.secret or ""))
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        events = await service.http.get(
            "/v1/audit/events", params={"client": created.client_id, "sort": "at"}, headers=headers
        )
        assert [(event["action"], event["organisation"]) for event in events.json()["data"]] == [
            ("clients:create", "rowan, by command"),
            ("clients:end", "rowan, by command"),
        ]
