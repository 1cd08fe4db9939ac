"""The same facts as one graph: GraphQL for a board, for the school and its service, and for a stranger to the case."""

from typing import Any

from convenor.walkthrough.partner import Partner
from convenor.walkthrough.school import Referred

PROGRAMME = """{
  clusters { edges { node { code
    schools { edges { node { name
      referrals(first: 5) { edges { node { code status } } }
    } } }
  } } }
}"""
CASE = """query ($id: ID!) {
  referral(id: $id) {
    code status version
    subject { ... on PupilSubject { pupil { pseudonym givenName upn nhsNumber } } }
    transitions { edges { node { to } } }
    outcomes { edges { node { instrument baseline { value } later { value } } } }
    service { name wait { waiting } }
  }
}"""
MEND = """mutation ($id: ID!, $version: Int!) {
  updateReferral(id: $id, ifVersion: $version, input: { priority: soon }) { referral { priority } }
}"""


def read_as_a_graph(referred: Referred, commissioner: Partner, board: Partner) -> None:
    """Asks for what the tour has made, as each partner."""
    journal = commissioner.journal
    journal.chapter("The same graph, by GraphQL")
    commissioner.sign_in("The commissioner's token")
    data = commissioner.graphql("The programme: clusters, schools, referrals", PROGRAMME)["data"]
    schools = [school for cluster in _nodes(data["clusters"]) for school in _nodes(cluster["schools"])]
    shown = [referral for school in schools for referral in _nodes(school["referrals"])]
    journal.expect("schools with their referrals", bool(schools) and bool(shown), (len(schools), len(shown)))
    journal.expect("five of a school at most", all(len(_nodes(school["referrals"])) <= 5 for school in schools))

    referred.mis.sign_in("The school's token")
    seen = referred.mis.graphql("The case, as its school sees it", CASE, id=referred.referral["id"])
    case, redacted = seen["data"]["referral"], seen["extensions"]["redacted"]
    journal.expect("by name", case["subject"]["pupil"]["givenName"] == referred.pupil["given_name"])
    journal.expect("without NHS number, and it says so", "referral.subject.pupil.nhsNumber" in redacted, redacted)
    journal.expect("with what became of it", case["status"] == "discharged", case["status"])
    late = referred.mis.graphql("Too late to mend it", MEND, id=case["code"], version=case["version"])
    codes = [error["extensions"]["code"] for error in late.get("errors", [])]
    journal.expect("the code that REST gives", codes == ["state_conflict"], codes)

    board.sign_in("The board's token")
    refused = board.graphql("A case is not for the board", CASE, wanted=403, id=referred.referral["id"])
    scope = refused["errors"][0]["extensions"].get("scope")
    journal.expect("it says which scopes are missing", scope == "referrals:read outcomes:read", scope)


def _nodes(connection: dict[str, Any]) -> list[dict[str, Any]]:
    return [edge["node"] for edge in connection["edges"]]
