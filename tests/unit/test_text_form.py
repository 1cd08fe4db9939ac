"""Every text that somebody sends, walked: each is kept in one form of Unicode, or is of a code that has no other."""

import unicodedata
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from pydantic import TypeAdapter, ValidationError

import convenor.app  # noqa: F401 - every shape of a body is known once the application is imported
from convenor.client_administration import Agreement, Registration, _in_lines
from convenor.domain_types.inputs import InputModel
from convenor.features import RESOURCES
from convenor.importers.files import ROWS
from convenor.importers.names import same_letters
from convenor.pupils.models import PupilStatement
from convenor.pupils.names import name_key
from convenor.read_model.execute import name_record
from convenor.security.principal import Role

APART, TOGETHER = "Zoe\u0308 A\u030a", "Zo\u00eb \u00c5"


def shapes(base: type[InputModel]) -> Iterator[type[InputModel]]:
    for shape in base.__subclasses__():
        yield shape
        yield from shapes(shape)


def texts(annotation: Any) -> Iterator[Any]:
    """Yield the types of text that an annotation holds, with what validates them."""
    if annotation is str or (get_origin(annotation) is Annotated and get_args(annotation)[0] is str):
        yield annotation
    else:
        for inner in get_args(annotation):
            yield from texts(inner)


SENT = {
    f"{shape.__name__}.{name}": text
    for shape in (*shapes(InputModel), *ROWS.values())
    if shape.__module__.startswith("convenor")
    for name, annotation in get_type_hints(shape, include_extras=True).items()
    if name in shape.model_fields
    for text in texts(annotation)
} | {
    f"{resource.name}?{name}": text
    for resource in RESOURCES.values()
    for name, declared in resource.filters.items()
    for text in texts(declared.type_)
}


def test_the_walk_finds_texts_of_each_kind() -> None:
    assert {"PupilCreate.given_name", "ContactLine.reference", "ClusterRow.name", "audit_events?client"} <= SENT.keys()
    assert len(SENT) > 100


@pytest.mark.parametrize("name", SENT)
def test_a_text_is_kept_in_one_form_or_refused_in_each(name: str) -> None:
    kept = []
    for sent in (APART, TOGETHER):
        try:
            kept.append(TypeAdapter(SENT[name]).validate_python(sent))
        except ValidationError:
            kept.append(None)
    assert kept[0] == kept[1]
    assert kept[0] in (TOGETHER, None)


def test_a_key_in_an_address_is_read_in_the_form_in_which_it_is_kept() -> None:
    assert name_record(RESOURCES["clusters"], APART) == ("natural_key", {"record.key": TOGETHER})


def test_a_command_keeps_its_texts_in_one_form() -> None:
    agreement = Agreement(APART, (APART, TOGETHER), APART)
    kept = _in_lines(Registration(Role.AUDITOR, APART, agreement, acts_for=(("school", APART),), note=APART))
    assert (kept.organisation, kept.note, kept.acts_for) == (TOGETHER, TOGETHER, (("school", TOGETHER),))
    assert kept.agreement == Agreement(TOGETHER, (TOGETHER,), TOGETHER)


@pytest.mark.parametrize(
    ("one", "other"), [(APART, TOGETHER), ("Zoe\u00ad\u0308", "Zoë"), ("Ǆenana", "ǆenana"), ("İlker", "I\u0307lker")]
)
def test_names_are_compared_in_one_form_whatever_was_stored_before(one: str, other: str) -> None:
    keys = {name_key(PupilStatement(given_name=name, family_name="Holt")) for name in (one, other)}
    assert len(keys) == 1
    assert unicodedata.is_normalized("NFC", str(keys))
    assert same_letters(one.replace("\u00ad", "")) == same_letters(other)
