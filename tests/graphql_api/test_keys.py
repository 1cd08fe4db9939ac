"""Keys of an answer are the client's to choose: none means anything to the statement that the query becomes."""

import pytest
from support.api_client import Service
from support.graphql_dataset import GraphDataset
from support.graphql_requests import asked


async def test_no_key_is_taken_for_a_row_of_the_statement(shared_service: Service) -> None:
    query = """{ schools(first: 1) {
      y: edges { x: cursor e2: cursor n: node { o: urn o3: name e1: name n1: name row_count: phase ids: status } }
      o: pageInfo { y: hasNextPage x: endCursor }
    } }"""
    page = (await asked(shared_service.as_("board"), query)).json()["data"]["schools"]
    name, cursor = "Wendshire School 1", page["o"]["x"]
    node = {"o": "900001", "o3": name, "e1": name, "n1": name, "row_count": "primary", "ids": "open"}
    assert page["y"] == [{"x": cursor, "e2": cursor, "n": node}]
    assert page["o"]["y"] is True


async def test_no_key_is_taken_for_a_row_within_a_record(shared_service: Service) -> None:
    query = (
        '{ sla(id: "SLA-SLT") { o: kpis { o: kpi p1: name } d: returnsDue { o: from j1: to } s: service { o: code } } }'
    )
    sla = (await asked(shared_service.as_("commissioner"), query)).json()["data"]["sla"]
    assert sla["o"] == [{"o": "goals_met", "p1": "Goals met"}]
    assert sla["d"][0] == {"o": "2020-09-01", "j1": "2020-12-31"}
    assert sla["s"] == {"o": "SLT"}


@pytest.mark.parametrize("asking", ["{keys}", "pageInfo {{ {keys} }}"])
async def test_a_page_may_be_told_of_under_as_many_keys_as_there_may_be(shared_service: Service, asking: str) -> None:
    field = "totalCount" if asking == "{keys}" else "hasNextPage"
    keys = " ".join(f"k{at}: {field}" for at in range(100))
    answer = await asked(shared_service.as_("board"), f"{{ schools {{ {asking.format(keys=keys)} }} }}")
    schools = answer.json()["data"]["schools"]
    assert len(schools.get("pageInfo", schools)) == 100


async def test_a_list_of_which_nothing_is_asked_is_not_read_whatever_it_is_searched_by(shared_service: Service) -> None:
    query = """query ($no: Boolean!) {
      referrals(status: waiting) { __typename totalCount @include(if: $no) }
      schools(first: 1) { edges { node { services(offer: core) { edges @include(if: $no) { cursor } } } } }
    }"""
    answer = await asked(shared_service.as_("school"), query, no=False)
    assert answer.json()["data"] == {
        "referrals": {"__typename": "ReferralConnection"},
        "schools": {"edges": [{"node": {"services": {}}}]},
    }


async def test_a_cursor_is_that_of_rest_in_any_alphabet(graph_dataset: GraphDataset) -> None:
    board = graph_dataset.callers["board@wendshire"]
    query = "{ schools(first: 200, sort: NAME_DESC) { edges { cursor node { name } } } }"
    edges = (await asked(board, query)).json()["data"]["schools"]["edges"]
    at = next(at for at, edge in enumerate(edges) if not edge["node"]["name"].isascii())
    by_rest = (await board.get("/v1/schools", sort="-name", limit=at + 1)).json()
    assert edges[at]["cursor"] == by_rest["next"]
    assert by_rest["data"][at]["name"] == edges[at]["node"]["name"]
