"""What a load makes of files as registers and spreadsheets write them, of corrected files, and of repeated ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError
from support.empty_databases import Empty

from convenor.configuration_error import ConfigurationError
from convenor.domain_types.dates import AcademicYear
from convenor.importers import LoadReport, Verdict, load_file, rows
from convenor.importers.areas import create_area

REGISTER = (
    '"URN","LA (code)","LA (name)","EstablishmentNumber","EstablishmentName","EstablishmentStatus (name)",'
    '"PhaseOfEducation (name)","OpenDate","CloseDate","UKPRN","SEN1 (name)"'
)
LINKS = "URN,LinkURN,LinkName,LinkType,LinkEstablishedDate"


@pytest.fixture
async def otherham(empty: Empty) -> "Otherham":
    await create_area(empty.owner_url, la_code="998", name="Otherham")
    return Otherham(empty)


class Otherham:
    """A council that begins, and loads its files."""

    def __init__(self, empty: Empty) -> None:
        self.empty = empty

    async def load(self, path: Path, *lines: str | bytes, **options: Any) -> LoadReport:
        """Write lines to a file, and load it."""
        encoded = [line if isinstance(line, bytes) else line.encode() for line in lines]
        file = path / "file.csv"
        file.write_bytes(b"\r\n".join(encoded))
        return await load_file(self.empty.owner_url, file, area="998", **options)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in await self.empty.rows(query)]


def became(report: LoadReport) -> dict[str, tuple[int, int, int, int]]:
    """Return how many records were created, updated, unchanged and left, by table."""
    return {
        name: (counts.created, counts.updated, counts.unchanged, counts.left) for name, counts in report.counts.items()
    }


def found(report: LoadReport) -> list[tuple[str, tuple[int, ...]]]:
    return [(finding.code, finding.lines) for finding in report.findings]


async def with_schools(otherham: Otherham, folder: Path) -> None:
    await otherham.load(folder, "code,name", "1,North", "2,South")
    await otherham.load(
        folder,
        "urn,name,phase,laestab,closed_on",
        "900101,Ash Primary,primary,998/2001,",
        "900102,Elm Primary,primary,9982002,2024-04-01",
        "900103,Oak Academy,all-through,9984003,",
        "900104,Yew Primary,primary,9982004,2024-04-01",
    )


class TestAFileThatContradictsItselfOrTheArea:
    async def test_every_fault_is_reported_by_its_first_line_and_nothing_is_stored(
        self, otherham: Otherham, tmp_path: Path
    ) -> None:
        report = await otherham.load(
            tmp_path,
            "urn;name;phase;opened_on;closed_on",
            '900101;"Ash\r\nPrimary";primary;;',
            "12;Elm Primary;primary;;",
            ";;;;",
            "900103;;university;13/25/2026;1/9/26",
            "900104;Oak;primary;01/09/2020;01/09/2019",
            "9.00104E+05;Yew;primary;;",
            "900106;Fir;primary;;;more",
            "Total;5;;;",
            "900107;B\ufffdech;primary;;",
        )
        assert found(report) == [
            ("unreadable_cell", (2,)),
            ("unreadable_cell", (4,)),
            ("blank_cell", (6,)),
            *[("unreadable_cell", (6,))] * 3,
            ("ends_before_it_starts", (7,)),
            ("unreadable_cell", (8,)),
            ("too_many_cells", (9,)),
            ("total", (10,)),
            ("broken_character", (11,)),
        ]
        assert report.verdict is Verdict.REFUSED
        assert "Format the column as text" in str(report.findings[7])
        assert not any("13/25" in str(finding) for finding in report.findings)
        assert await otherham.rows("select from school") == []

    async def test_a_misspelt_column_is_reported_and_others_are_noted(self, otherham: Otherham, tmp_path: Path) -> None:
        report = await otherham.load(tmp_path, "code,name,notes,colour", "1,North,Best,red")
        assert [str(finding) for finding in report.findings] == [
            "line 1: `notes` is not a column of clusters. Did you mean `note`? It is not read."
        ]
        assert "These columns are not read: colour." in report.notes

    @pytest.mark.parametrize("content", [b"", b"\r\n", b'code,name\r\n1,"North', b"code,name,name\r\n1,a,b"])
    async def test_a_file_that_cannot_be_read_is_refused(
        self, otherham: Otherham, tmp_path: Path, content: bytes
    ) -> None:
        with pytest.raises(ConfigurationError):
            await otherham.load(tmp_path, content)

    async def test_a_file_that_is_not_there_is_refused(self, empty: Empty, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="No such file"):
            await load_file(empty.owner_url, tmp_path / "none.csv", area="803")

    async def test_clusters_belong_to_no_year(self, otherham: Otherham, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError, match="no school year"):
            await otherham.load(tmp_path, "code,name", "1,North", year=AcademicYear(2026))

    async def test_a_school_is_in_one_cluster_at_a_time(self, otherham: Otherham, tmp_path: Path) -> None:
        await with_schools(otherham, tmp_path)
        await otherham.load(tmp_path, "urn,cluster,from,to", "900101,1,01/09/2020,")
        report = await otherham.load(
            tmp_path,
            "urn,laestab,cluster,valid_from,valid_to",
            "900101,,2,2025-09-01,",
            "900102,,1,2024-09-01,",
            "900199,,1,2024-09-01,",
            ",9984003,9,2024-09-01,",
            ",,1,2024-09-01,",
            "900103,,1,,",
            ",998/4003,1,2024-09-01,2025-09-01",
            "900103,,2,2025-01-01,",
        )
        assert found(report) == [
            ("blank_cell", (6,)),
            ("another_cluster", (2,)),
            ("school_is_closed", (3,)),
            ("no_such_school", (4,)),
            ("no_such_cluster", (5,)),
            ("blank_cell", (7,)),
            ("another_cluster", (8,)),
            ("another_cluster", (9,)),
        ]
        assert "in cluster 1 since 2020-09-01: end that first" in str(report.findings[1])

    async def test_a_provider_is_one_provider(self, otherham: Otherham, tmp_path: Path) -> None:
        head = "name,kind,ods_code,company_number"
        await otherham.load(tmp_path, head, "Coast Trust,NHS,zz901,", "Play for All,charity,,9999999")
        report = await otherham.load(
            tmp_path,
            head,
            "Coast Trust,NHS,ZZ902,",
            "Play for All,charity,ZZ901,",
            "Hill,nhs,ZZ903,",
            "Hill,nhs,ZZ904,",
        )
        assert found(report) == [("contradiction", (2,)), ("contradiction", (3,)), ("contradiction", (4, 5))]
        stored = await otherham.rows("select name, ods_code, company_number from provider order by 1")
        assert stored == [("Coast Trust", "ZZ901", None), ("Play for All", None, "09999999")]

    async def test_a_service_names_what_is_there(self, otherham: Otherham, tmp_path: Path) -> None:
        await with_schools(otherham, tmp_path)
        report = await otherham.load(
            tmp_path, "code,name,area_of_need,provider,clusters", "PLAY,Play therapy,SEMH,Nobody,1; 7", "X,X,Maths,,"
        )
        assert found(report) == [("unreadable_cell", (3,)), ("no_such_cluster", (2,)), ("no_such_provider", (2,))]

    async def test_a_school_without_a_urn_is_not_doubled(self, otherham: Otherham, tmp_path: Path) -> None:
        await with_schools(otherham, tmp_path)
        await otherham.load(tmp_path, "cluster,group,name,phase", "1,1,Holly Primary,primary")
        report = await otherham.load(tmp_path, "urn,name,phase", "900109,Holly Primary,primary")
        assert found(report) == [("school_without_urn", (2,))]
        stated = await otherham.load(
            tmp_path, "cluster,group,name,phase,urn", "1,1,Holly Primary,primary,900109", year=AcademicYear(2018)
        )
        assert became(stated)["schools"][:2] == (0, 1)

    async def test_a_link_that_would_join_or_turn_round_is_left_out(self, otherham: Otherham, tmp_path: Path) -> None:
        await with_schools(otherham, tmp_path)
        report = await otherham.load(
            tmp_path,
            LINKS,
            "900101,900103,Oak,Successor,",
            "900102,900102,Elm,Successor,",
            "900102,900104,Yew,Successor,",
            "900104,900102,Elm,Successor,",
            "900102,900103,Oak,Successor - Split School,",
            apply_rest=True,
        )
        assert found(report) == [
            ("own_successor", (3,)),
            ("not_closed", (2,)),
            ("circle", (5,)),
            ("another_successor", (6,)),
        ]
        linked = "select s.urn, l.urn from school s join school l on l.id = s.successor_id"
        assert await otherham.rows(linked) == [("900102", "900104")]


class TestAFileAsItIs:
    @pytest.mark.parametrize(
        "content",
        [
            "code,name,note\r\n7,Café,\r\n".encode("cp1252"),
            "code,name,note\r\n7,Café,\r\n".encode("utf-8-sig"),
            "code\tname\r\n7\tCafé\r\n".encode("utf-16"),
            "\r\nCode; NAME ;Note;;\r\n7;\u00a0Café\u200b;;;\r\n;;;;\r\n".encode(),
            "code,name\n\nRequired: text,optional\n7,Café\n,,\n".encode(),
        ],
        ids=["Windows-1252", "byte order mark", "UTF-16 and tabs", "blank rows and columns", "instructions"],
    )
    async def test_a_spreadsheet_s_form_does_not_count(
        self, otherham: Otherham, tmp_path: Path, content: bytes
    ) -> None:
        report = await otherham.load(tmp_path, content)
        assert (report.verdict, found(report)) == (Verdict.APPLIED, [])
        assert await otherham.rows("select code, name, note from cluster") == [("7", "Café", None)]

    @pytest.mark.parametrize(
        "opened", ["01-09-1965", "1/9/1965", "19650901", "1965-Sep-01 00:00:00", "1965-09-01T00:00Z"]
    )
    async def test_an_extract_of_the_register_is_loaded_in_its_own_columns(
        self, otherham: Otherham, tmp_path: Path, opened: str
    ) -> None:
        report = await otherham.load(
            tmp_path,
            REGISTER,
            f"900101,998,Otherham,2001,St Ash\u2019s Primary,Open,Primary,{opened},,99000101,".encode("cp1252"),
            '900102,"998","Otherham","2002","Elm",Closed,"Middle deemed primary",,31-03-2024,,',
            '900103,998,Otherham,,Oak College,"Open, but proposed to close",16 plus,,31-08-2020,,',
            "900104,998,Otherham,4004,Yew Academy,Proposed to open,All-through,01-09-2999,,,",
            "900105,997,Elsewhere,4005,Far School,Open,Not applicable,,,,",
        )
        assert found(report) == []
        assert report.notes[1:4] == (
            "These columns are not read: la_(name), sen1_(name).",
            "1 schools of other authorities are left out.",
            "School 900103 is stated as open, and is stored as closed from 2020-09-01.",
        )
        fields = "urn, name, phase, status, laestab, ukprn, opened_on::text, closed_on::text"
        assert await otherham.rows(f"select {fields} from school order by urn") == [
            ("900101", "St Ash’s Primary", "primary", "open", "9982001", "99000101", "1965-09-01", None),
            ("900102", "Elm", "middle_deemed_primary", "closed", "9982002", None, None, "2024-04-01"),
            ("900103", "Oak College", "sixteen_plus", "closed", None, None, None, "2020-09-01"),
            ("900104", "Yew Academy", "all_through", "proposed", "9984004", None, "2999-09-01", None),
        ]

    async def test_a_link_of_the_register_is_one_link_in_both_directions(
        self, otherham: Otherham, tmp_path: Path
    ) -> None:
        await with_schools(otherham, tmp_path)
        lines = (
            "900102,900103,Oak,Successor - amalgamated,01-04-2024",
            "900103,900102,Elm,Predecessor - amalgamated,01-04-2024",
            "900104,900103,Oak,Successor - amalgamated,01-04-2024",
            "900101,900103,Oak,Sixth Form Centre Link,",
            "900104,900999,Far,Successor,",
        )
        report = await otherham.load(tmp_path, LINKS, *lines)
        assert (found(report), became(report)) == ([], {"links": (2, 0, 0, 0)})
        assert report.notes == (
            "1 links of other kinds are not read.",
            "1 links name a school that is not in the directory, and are not stored.",
        )
        assert became(await otherham.load(tmp_path, LINKS, *lines)) == {"links": (0, 0, 2, 0)}

    async def test_an_offer_of_another_year_extends_the_service(self, otherham: Otherham, tmp_path: Path) -> None:
        await with_schools(otherham, tmp_path)
        lines = "cluster,area_of_need,service", "1,Social emotional and mental health,Garden club"
        await otherham.load(tmp_path, *lines)
        report = await otherham.load(tmp_path, *lines, year=AcademicYear(2026))
        assert became(report) == {"services": (0, 1, 0, 0), "purchases": (1, 0, 0, 0)}
        years = "select valid_from::text, valid_to::text from commissioned_service"
        assert await otherham.rows(years) == [("2025-09-01", "2027-09-01")]


KINDS = {
    "clusters": ("code,name,note", "1,North,", "2,South,"),
    "schools": ("urn,name,phase", "900101,Ash Primary,primary", "900102,Elm Primary,primary"),
    "memberships": ("urn,cluster,valid_from,valid_to", "900101,1,2024-09-01,", "900102,2,2024-09-01,"),
    "providers": ("name,kind,ods_code", "Coast Trust,nhs,ZZ901", "Play for All,charity,"),
    "services": (
        "code,name,area_of_need,offer,provider,clusters,valid_from",
        "SLT,Speech and language,C&I,core,ZZ901,,2024-09-01",
        "PLAY,Play therapy,SEMH,,Play for All,2,2024-09-01",
    ),
}
CORRECTED = {
    "clusters": "1,North and Coast,A note",
    "schools": "900101,Ash Tree Primary,primary",
    "memberships": "900101,1,2024-09-01,2025-09-01",
    "providers": "Coast Partnership Trust,nhs,ZZ901",
    "services": "SLT,Speech and language,C&I,core,ZZ901,,2025-09-01",
}


class TestALoadThatIsRepeated:
    async def load_all(self, otherham: Otherham, folder: Path) -> dict[str, dict[str, tuple[int, int, int, int]]]:
        return {kind: became(await otherham.load(folder, *lines)) for kind, lines in KINDS.items()}

    async def test_a_repeated_load_changes_nothing(self, otherham: Otherham, tmp_path: Path) -> None:
        first = await self.load_all(otherham, tmp_path)
        assert first == {
            **{kind: {kind: (2, 0, 0, 0)} for kind in ("clusters", "schools", "memberships", "providers")},
            "services": {"services": (2, 0, 0, 0), "purchases": (3, 0, 0, 0)},
        }
        assert await self.load_all(otherham, tmp_path) == {
            kind: {name: (0, 0, made, 0) for name, (made, *_) in counts.items()} for kind, counts in first.items()
        }
        assert await otherham.rows("select distinct version from school") == [(1,)]

    @pytest.mark.parametrize("kind", KINDS)
    async def test_a_corrected_file_corrects_and_what_it_leaves_out_stays(
        self, otherham: Otherham, tmp_path: Path, kind: str
    ) -> None:
        await self.load_all(otherham, tmp_path)
        table = {"services": "commissioned_service", "memberships": "cluster_membership"}.get(kind, kind.rstrip("s"))
        before = dict(await otherham.rows(f"select id, row_to_json(t)::text from {table} t"))
        lines = KINDS[kind][0], CORRECTED[kind]
        dry = await otherham.load(tmp_path, *lines, dry_run=True)
        assert dict(await otherham.rows(f"select id, row_to_json(t)::text from {table} t")) == before
        report = await otherham.load(tmp_path, *lines)
        assert became(report) == became(dry)
        assert became(report)[kind] == (0, 1, 0, 1)
        after = dict(await otherham.rows(f"select id, row_to_json(t)::text from {table} t"))
        (changed,) = (record for record, text in after.items() if text != before[record])
        assert '"version":2' in after[changed]

    async def test_who_loads_is_in_the_audit_where_something_was_applied(
        self, otherham: Otherham, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LOGNAME", "rowan")
        await otherham.load(tmp_path, *KINDS["clusters"], dry_run=True)
        await otherham.load(tmp_path, *KINDS["clusters"], ",North")
        await otherham.load(tmp_path, *KINDS["clusters"])
        events = "select action, organisation, status, area_id = any(records) from audit_event order by at"
        assert (await otherham.rows(events))[1:] == [("clusters:load", "rowan, by command", 200, True)]

    async def test_two_loads_at_once_are_one_after_the_other(self, otherham: Otherham, tmp_path: Path) -> None:
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
        reports = await asyncio.gather(
            *(otherham.load(tmp_path / name, *KINDS["clusters"]) for name in ("one", "other"))
        )
        assert sorted(became(report)["clusters"] for report in reports) == [(0, 0, 2, 0), (2, 0, 0, 0)]

    async def test_a_load_that_ends_in_the_middle_leaves_nothing(
        self, otherham: Otherham, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rows, "CHUNK", 1)
        clusters = [f"{number},Cluster {number}" for number in range(1, 6)]
        async with failing_at_the_last_cluster(otherham.empty):
            with pytest.raises(DBAPIError, match="not this one"):
                await otherham.load(tmp_path, "code,name", *clusters)
        assert await otherham.rows("select from cluster") == []
        assert became(await otherham.load(tmp_path, "code,name", *clusters)) == {"clusters": (5, 0, 0, 0)}


@asynccontextmanager
async def failing_at_the_last_cluster(empty: Empty) -> AsyncIterator[None]:
    """Let the database fail at the last of five clusters."""
    connection = await asyncpg.connect(empty.superuser_url)
    try:
        await connection.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin"
            " if new.code = '5' then raise exception 'not this one'; end if; return new; end $$;"
            "create trigger refuse before insert on cluster for each row execute function refuse()"
        )
        yield
        await connection.execute("drop trigger refuse on cluster; drop function refuse")
    finally:
        await connection.close()


async def test_schools_with_pupils_of_both_sides_are_not_joined(otherham: Otherham, tmp_path: Path) -> None:
    await with_schools(otherham, tmp_path)
    connection = await asyncpg.connect(otherham.empty.superuser_url)
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(
            "insert into pupil (area_id, id, school_id, referral_id)"
            " select area_id, gen_random_uuid(), id, gen_random_uuid() from school where urn in ('900102', '900104')"
        )
    finally:
        await connection.close()
    report = await otherham.load(
        tmp_path, LINKS, "900102,900103,Oak,Successor,", "900104,900103,Oak,Successor,", apply_rest=True
    )
    assert (found(report), became(report)) == ([("pupils_of_both", (3,))], {"links": (1, 0, 0, 0)})
