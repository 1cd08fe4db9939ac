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
CORRECTION = """mutation ($id: ID!, $version: Int!) {
  updateReferral(id: $id, ifVersion: $version, input: { priority: soon }) { referral { priority } }
}"""


def query_by_graphql(referred: Referred, commissioner: Partner, board: Partner) -> None:
    """Query the records of the tour over GraphQL, as each partner."""
    transcript = commissioner.transcript
    transcript.chapter("The same records, by GraphQL")
    commissioner.sign_in("The commissioner's token")
    data = commissioner.graphql("The programme: clusters, schools, referrals", PROGRAMME)["data"]
    schools = [school for cluster in _nodes(data["clusters"]) for school in _nodes(cluster["schools"])]
    shown = [referral for school in schools for referral in _nodes(school["referrals"])]
    transcript.expect("schools with their referrals", bool(schools) and bool(shown), (len(schools), len(shown)))
    transcript.expect("five of a school at most", all(len(_nodes(school["referrals"])) <= 5 for school in schools))

    referred.mis.sign_in("The school's token")
    seen = referred.mis.graphql("The case, as its school sees it", CASE, id=referred.referral["id"])
    case, redacted = seen["data"]["referral"], seen["extensions"]["redacted"]
    transcript.expect("by name", case["subject"]["pupil"]["givenName"] == referred.pupil["given_name"])
    transcript.expect(
        "without NHS number, which is listed as redacted", "referral.subject.pupil.nhsNumber" in redacted, redacted
    )
    transcript.expect("with its outcome", case["status"] == "discharged", case["status"])
    late = referred.mis.graphql("Too late to correct it", CORRECTION, id=case["code"], version=case["version"])
    codes = [error["extensions"]["code"] for error in late.get("errors", [])]
    transcript.expect("the code that REST gives", codes == ["state_conflict"], codes)

    board.sign_in("The board's token")
    refused = board.graphql("A case is not for the board", CASE, wanted=403, id=referred.referral["id"])
    scope = refused["errors"][0]["extensions"].get("scope")
    transcript.expect("it says which scopes are missing", scope == "referrals:read outcomes:read", scope)


def _nodes(connection: dict[str, Any]) -> list[dict[str, Any]]:
    return [edge["node"] for edge in connection["edges"]]
