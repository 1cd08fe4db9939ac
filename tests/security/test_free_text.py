"""Every free text that a partner writes is hidden wherever names are; the contract says which those are."""

import json
from dataclasses import replace
from typing import Any

import pytest
from support.free_text import FreeText, free_texts, shown_to_everybody

from convenor.contacts.resource import CONTACTS
from convenor.export_contracts import contract_text
from convenor.features import FEATURES
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag

CONTRACT: dict[str, Any] = json.loads(contract_text())
TEXTS = free_texts(CONTRACT)
FEATURE_OF = {
    str(getattr(route, "operation_id", None) or route.name): each for each in FEATURES for route in each.routes
}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: f"{text.operation}{text.path}")
def test_a_free_text_of_a_partner_is_hidden_from_roles_without_identities(text: FreeText) -> None:
    assert shown_to_everybody(FEATURE_OF[text.operation], text.leaf) == set()


def test_the_walk_finds_the_free_texts_of_every_kind_of_body() -> None:
    assert {
        FreeText("submit_referral", "/reason"),
        FreeText("submit_referral", "/subject/pupil/given_name"),
        FreeText("submit_referral", "/subject/group/description"),
        FreeText("update_referral", "/pupil/parent_name"),
        FreeText("transition_referral", "/outcome"),
        FreeText("add_contact", "/reference"),
        FreeText("load_contacts", "/reference"),
        FreeText("submit_return", "/narrative"),
        FreeText("transition_return", "/reason"),
    } <= set(TEXTS)


def test_no_outcome_has_a_free_text() -> None:
    assert [text for text in TEXTS if text.operation == "add_outcome"] == []


def test_a_free_text_that_a_declaration_leaves_open_is_found() -> None:
    router = ResourceRouter(Tag("open", "A declaration that hides nothing."))
    router.add_list("/v1/open", replace(CONTACTS, sensitivity={}))
    assert shown_to_everybody(Feature(router), "reference") == {"contacts.reference"}
