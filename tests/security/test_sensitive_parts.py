"""A field is hidden wherever it is declared so: it is left out of answers and named, however deep it lies."""

import json
from dataclasses import replace

from support.api_client import Service

from convenor.read_model.execute import read_list
from convenor.read_model.list_query import parse_query
from convenor.read_model.redaction import redacted_in, redacted_paths, sensitive_fields
from convenor.read_model.selection import One, Pick
from convenor.security.principal import FieldSensitivity
from convenor.slas.models import KpiFields
from convenor.slas.resource import SLAS, SlaRead, VersionRead
from convenor_auth.keys import load_secret_keys
from convenor_auth.principals import load_principal

DEEP = "versions.kpis.target"


class HidingRead(SlaRead):
    """An SLA that says what it hides."""

    redacted: list[str]


_VERSIONS = SLAS.parts["versions"]
_KPIS = replace(_VERSIONS.parts["kpis"], sensitivity={"target": FieldSensitivity.IDENTITY})
HIDING = replace(SLAS, read=HidingRead, parts={**SLAS.parts, "versions": replace(_VERSIONS, parts={"kpis": _KPIS})})
"""SLAs, were the targets of earlier versions hidden: a part of a part."""


async def test_what_is_behind_a_wall_within_a_part_s_part_is_absent_and_named(shared_service: Service) -> None:
    client = shared_service.area().clients["finance"]
    secret, readers = load_secret_keys(shared_service.data_dir), shared_service.services.readers
    principal = await load_principal(readers, client.client_id, client.scopes, secret)
    assert principal
    answer = await read_list(readers, principal, HIDING, parse_query(HIDING, b"fields=kpis,versions"))
    slas = json.loads(answer.body)["data"]
    assert slas
    for sla in slas:
        assert sla["redacted"] == [DEEP]
        assert all("target" in kpi for kpi in sla["kpis"])
        assert not any("target" in kpi for version in sla["versions"] for kpi in version["kpis"])


def test_a_hidden_field_is_named_by_the_keys_of_a_graph() -> None:
    kpis = Pick("measures", "kpis", ((KpiFields, (Pick("goal", "target"), Pick("kpi", "kpi"))),))
    sla = One("mine", HIDING, (Pick("all", "versions", ((VersionRead, (kpis,)),)), Pick("code", "code")))
    assert redacted_in((sla,), frozenset()) == ["mine.all.measures.goal"]
    assert redacted_in((sla,), frozenset({FieldSensitivity.IDENTITY})) == []


def test_whoever_has_the_clearance_has_nothing_hidden_and_the_contract_knows_the_field() -> None:
    assert redacted_paths(HIDING, frozenset()) == redacted_paths(HIDING, frozenset(), frozenset({"versions"})) == [DEEP]
    assert redacted_paths(HIDING, frozenset({FieldSensitivity.IDENTITY})) == redacted_paths(SLAS, frozenset()) == []
    assert redacted_paths(HIDING, frozenset(), frozenset({"kpis"})) == []
    assert list(sensitive_fields(HIDING)) == [(KpiFields, "target")]
