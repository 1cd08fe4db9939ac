"""What a load says of the programme's files, line by line, and what it makes of them."""

import asyncio
import re
from pathlib import Path

import pytest
from support.empty_databases import Empty

from convenor import reference
from convenor.configuration_error import ConfigurationError
from convenor.importers import Finding, LoadReport, Verdict, load_file
from convenor.importers.areas import create_area
from convenor.importers.names import likely_same

ROOT = Path(__file__).parents[2]
SOUTH_GLOS, CORNWALL = "South Gloucestershire", "908"


def found(report: LoadReport, code: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.code == code]


def written(folder: Path, *lines: str) -> Path:
    path = folder / "file.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


async def with_clusters(empty: Empty) -> None:
    await load_file(empty.owner_url, reference.CLUSTERS, area=SOUTH_GLOS)


@pytest.mark.parametrize(
    "lines",
    [
        ("Wren,Aspen,04/05/2016,999 900 0018", "Linden,Beech,11/06/2012,999 900 0026"),
        ("Wren,Aspen,Elm Lane Primary",),
        ("colour,name,Wren", "red,Aspen,Linden"),
        ('[{"name": "Wren Aspen", "nhs_number": "9999000018"}]',),
        ("<Pupil><Surname>Aspen</Surname></Pupil>",),
    ],
)
async def test_a_file_that_is_of_no_kind_is_refused_and_nothing_in_it_is_repeated(
    empty: Empty, tmp_path: Path, lines: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        await load_file(empty.owner_url, written(tmp_path, *lines), area=SOUTH_GLOS)
    assert "clusters: code,name" in refusal.value.remedy
    for value in ("wren", "aspen", "linden", "2016", "999", "colour", "elm"):
        assert value not in str(refusal.value).casefold()


@pytest.mark.parametrize("area", ["Wendshire", "998", "", "\udcff", "\0"])
async def test_an_area_that_nobody_knows_is_refused(empty: Empty, area: str) -> None:
    with pytest.raises(ConfigurationError, match="no area"):
        await load_file(empty.owner_url, reference.CLUSTERS, area=area)


async def test_the_area_in_the_readme_can_be_loaded_into_a_new_installation(empty: Empty) -> None:
    commands = re.findall(r"convenor load --area (\S+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert commands
    for area in commands:
        assert (await load_file(empty.owner_url, reference.CLUSTERS, area=area, apply_rest=True)).created > 0


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"la_code": "99"}, "--la-code"),
        ({"name": ""}, "--name"),
        ({"la_code": "\udcff"}, "--la-code"),
        ({"gss_code": "W06000001", "icb_ods_code": "?"}, "--gss-code.*--icb-ods-code"),
    ],
)
async def test_an_area_with_wrong_fields_is_refused_with_each_of_them(
    empty: Empty, fields: dict[str, str], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        await create_area(empty.owner_url, **{"la_code": "998", "name": "Otherham"} | fields)


async def test_any_council_s_area_is_created_once_and_can_be_loaded(empty: Empty, tmp_path: Path) -> None:
    created = await asyncio.gather(
        *(create_area(empty.owner_url, la_code="998", name="Otherham") for _ in range(2)), return_exceptions=True
    )
    (refused,) = (each for each in created if isinstance(each, ConfigurationError))
    assert "There is an area 998 already: Otherham." in str(refused)
    clusters = written(tmp_path, "area,code,name,schools_2018,pilot_schools,note", "Otherham,1,North,,,")
    assert (await load_file(empty.owner_url, clusters, area="998")).created == 1
    assert [tuple(row) for row in await empty.rows("select la_code, name from area")] == [("998", "Otherham")]


async def test_another_area_s_clusters_are_left_out(empty: Empty) -> None:
    report = await load_file(empty.owner_url, reference.CLUSTERS, area=CORNWALL)
    assert (report.verdict, len(found(report, "other_area"))) == (Verdict.REFUSED, 5)
    assert await empty.rows("select from area") == []


async def test_schools_of_a_cluster_that_is_not_there_are_named_by_line(empty: Empty) -> None:
    report = await load_file(empty.owner_url, reference.PILOT_SCHOOLS, area=SOUTH_GLOS, dry_run=True)
    assert [finding.lines for finding in found(report, "no_such_cluster")] == [
        tuple(range(2, 23)),
        tuple(range(23, 43)),
    ]


async def test_a_dry_run_of_the_pilot_schools_reports_by_line_and_stores_nothing(empty: Empty) -> None:
    await with_clusters(empty)
    report = await load_file(empty.owner_url, reference.PILOT_SCHOOLS, area=SOUTH_GLOS, dry_run=True)
    assert (report.kind, report.rows, report.verdict, report.created) == ("pilot_schools", 41, Verdict.CHECKED, 78)
    (count,) = found(report, "count_differs")
    assert count.lines == tuple(range(2, 23))
    assert str(count).startswith("lines 2 to 22: Cluster 2 has 21 names where 20 are stated.")
    (twice,) = found(report, "probably_one_school")
    assert twice.lines == (19, 39)
    assert str(twice).startswith(
        "lines 19, 39: “St Mary’s Yate” (cluster 2) and “St Mary’s Primary – Yate” (cluster 3)"
    )
    assert len(report.findings) == 2
    assert await empty.rows("select from school") == []


async def test_a_file_with_findings_is_refused_unless_the_rest_is_asked_for(empty: Empty) -> None:
    await with_clusters(empty)
    report = await load_file(empty.owner_url, reference.PILOT_SCHOOLS, area=SOUTH_GLOS)
    assert report.verdict is Verdict.REFUSED
    assert await empty.rows("select from school") == []


async def test_the_rest_of_the_pilot_schools_are_past_memberships(empty: Empty) -> None:
    await with_clusters(empty)
    report = await load_file(empty.owner_url, reference.PILOT_SCHOOLS, area="803", apply_rest=True)
    assert (report.verdict, report.created) == (Verdict.APPLIED, 2 * 39)
    rows = await empty.rows(
        "select c.code, m.valid_from::text, m.valid_to::text, count(*) from cluster_membership m"
        " join cluster c on c.id = m.cluster_id group by 1, 2, 3 order by 1"
    )
    assert [tuple(row) for row in rows] == [
        ("2", "2018-09-01", "2019-09-01", 20),
        ("3", "2018-09-01", "2019-09-01", 19),
    ]
    assert await empty.rows("select from school where urn is not null or name like '%Yate%'") == []


async def test_blank_unreadable_and_repeated_rows_are_named_by_line(empty: Empty, tmp_path: Path) -> None:
    await with_clusters(empty)
    path = written(
        tmp_path,
        "cluster,group,name,phase",
        "1,1,Elm Lane Primary,primary",
        "1,1,,primary",
        "1,1,Oak Lane,university",
        "1,1,ELM LANE Primary School,primary",
        "1,1,Ash Lane,primary,and more",
    )
    report = await load_file(empty.owner_url, path, area=SOUTH_GLOS, apply_rest=True)
    assert {(finding.code, finding.lines) for finding in report.findings} == {
        ("blank_cell", (3,)),
        ("unreadable_cell", (4,)),
        ("duplicate", (5,)),
        ("too_many_cells", (6,)),
    }
    assert [row["name"] for row in await empty.rows("select name from school")] == ["Elm Lane Primary"]


async def test_a_number_that_no_column_holds_is_named_by_line(empty: Empty, tmp_path: Path) -> None:
    head = "integrated_care_area,number,network,is_pcn,network_population,practice"
    path = written(tmp_path, head, "A,99999999999,N,true,1,P", "A,-1,N,true,1,P", "A,1,N,true,3000000000,P")
    report = await load_file(empty.owner_url, path, area=CORNWALL, apply_rest=True)
    assert [(finding.code, finding.lines) for finding in report.findings] == [
        ("unreadable_cell", (line,)) for line in (2, 3, 4)
    ]
    path = written(tmp_path, "code,finding,value,unit,period", "a,b,inf,percent,x", "c,d,NaN,percent,x")
    report = await load_file(empty.owner_url, path, area=CORNWALL, apply_rest=True)
    assert [finding.lines for finding in report.findings] == [(2,), (3,)]


async def test_rows_that_contradict_each_other_are_all_left_out(empty: Empty, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "indicator,phase,period,geography,value,unit",
        "ehcp_share,all,2022/23,England,4.3,percent",
        "ehcp_share,all,2022/23,England,4.8,percent",
        "ehcp_share,all,2023/24,England,4.8,percent",
    )
    report = await load_file(empty.owner_url, path, area=SOUTH_GLOS, apply_rest=True)
    assert [(finding.code, finding.lines) for finding in report.findings] == [("contradiction", (2, 3))]
    assert [row["period"] for row in await empty.rows("select period from benchmark")] == ["2023/24"]


async def test_networks_that_are_not_what_they_seem_are_named_by_line(empty: Empty) -> None:
    report = await load_file(empty.owner_url, reference.NETWORKS, area=CORNWALL, apply_rest=True)
    assert {(finding.code, finding.lines) for finding in report.findings} == {
        ("two_authorities", (9, 10, 11, 12, 13)),
        ("not_a_network", (18,)),
        ("population_in_part", (47, 48)),
    }
    rows = await empty.rows(
        "select number, is_pcn, population from network where number in (1, 2, 5, 14) order by number"
    )
    assert [tuple(row) for row in rows] == [(1, True, 67114), (2, True, 33571), (5, False, 6326), (14, True, None)]
    assert len(await empty.rows("select from practice")) == 54


async def test_a_service_that_every_cluster_buys_is_core_and_nothing_unstated_is_added(empty: Empty) -> None:
    await with_clusters(empty)
    report = await load_file(empty.owner_url, reference.OFFERS, area=SOUTH_GLOS, apply_rest=True)
    assert [str(finding).split(":")[1].split(" are ")[0] for finding in found(report, "probably_one_service")] == [
        " “EPS training” and “EPS – training”",
        " “SALT Package” and “SaLT Package”",
    ]
    core = await empty.rows("select name from commissioned_service where offer = 'core' order by name")
    assert [row["name"] for row in core] == ["Autism Package", "Nutshell data", "OT"]
    unstated = (
        "provider_id, level, audience, delivery_mode, setting, eligibility, evidence, places, capacity_confirmed_on"
    )
    assert await empty.rows(f"select from commissioned_service where num_nonnulls({unstated}) > 0") == []
    years = await empty.rows("select distinct valid_from::text, valid_to::text from service_cluster")
    assert [tuple(row) for row in years] == [("2025-09-01", "2026-09-01")]


@pytest.mark.parametrize("path", [reference.CLUSTERS, reference.BENCHMARKS, reference.FINDINGS])
async def test_loading_a_file_again_changes_nothing(empty: Empty, path: Path) -> None:
    assert (await load_file(empty.owner_url, path, area=SOUTH_GLOS)).created > 0
    assert (await load_file(empty.owner_url, path, area=SOUTH_GLOS)).created == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("St Mary’s Yate", "St Mary’s Primary – Yate"),
        ("St. Andrews Primary", "Saint Andrew's"),
        ("North Rd Primary", "North Road"),
        ("The Ridge Primary", "RIDGE PRIMARY SCHOOL"),
        ("École Primary", "Ecole"),
    ],
)
def test_two_spellings_of_one_school_are_recognised(one: str, other: str) -> None:
    assert likely_same(one) == likely_same(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Bradley Stoke Primary", "Bradley Stoke Community School"),
        ("St Michael’s, Stoke Gifford", "St Michael’s Primary - Winterbourne"),
        ("Elm Park Infants", "Elm Park Juniors"),
        ("The Primary School", "Elm Park Primary"),
    ],
)
def test_two_schools_with_names_alike_stay_two(one: str, other: str) -> None:
    assert likely_same(one) != likely_same(other)
