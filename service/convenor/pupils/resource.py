"""Declare a pupil's details, which are embedded in the records about the pupil."""

from uuid import UUID

from pydantic import Field

from convenor.domain_types.codes import NhsNumber
from convenor.pupils.models import PupilFields, PupilStatement, TracedNumber
from convenor.read_model.resource import Part
from convenor.read_model.sealed_rows import seal_columns
from convenor.security.principal import FieldSensitivity


class PupilRead(PupilFields):
    """A pupil, as the school stated them in a referral."""

    id: UUID = Field(description="The pupil's id, the same in every referral. Each organisation knows another.")
    traced_nhs_number: NhsNumber | None = Field(
        description="NHS number that the service traced for this referral, apart from the school's."
    )
    pseudonym: str = Field(description="A stable pseudonym for the pupil, which only your organisation sees.")


_OPEN = frozenset({"sen_provision", "home_la_code"})
"""The details that identify nobody. A new field is hidden unless it is listed here."""
_OWN_CLEARANCE = {"upn": FieldSensitivity.UPN, "nhs_number": FieldSensitivity.NHS_NUMBER}

STATED = {
    name: _OWN_CLEARANCE.get(name, FieldSensitivity.IDENTITY) for name in PupilFields.model_fields if name not in _OPEN
}
"""The clearances that the details of a pupil need, wherever an organisation states them."""
STATED_UPN = "coalesce({t}.upn, {t}.temporary_upn)"

PUPIL = Part(
    source="pupil_statement {p} where {p}.area_id = {t}.area_id and {p}.id = {t}.statement_id",
    sql={
        "upn": STATED_UPN,
        "id": "coalesce(pupil_id_for({id_key}, {organisation}, {t}.pupil_id), {t}.pupil_id)",
        "traced_nhs_number": (
            "(select n.nhs_number from traced_number n where n.area_id = {t}.area_id"
            " and n.referral_id = {t}.referral_id and n.superseded_at is null)"
        ),
        "pseudonym": "encode(substr(sha256({pseudonym_key} || uuid_send({t}.pupil_id)), 1, 10), 'hex')",
    },
    sensitivity={
        "id": FieldSensitivity.IDENTITY,
        "traced_nhs_number": FieldSensitivity.NHS_NUMBER,
        **STATED,
    },
)
"""For parent rows that have the columns `area_id` and `statement_id` of a referral."""
seal_columns(TracedNumber, PUPIL)
PUPIL_HASHES = seal_columns(PupilStatement, PUPIL).hashed
"""The columns of a statement that have a keyed hash, each with the field by whose name it is hashed."""

STATEMENT_OF_REFERRAL = (
    "(select r.statement_id from referral r where r.area_id = {t}.area_id and r.id = {t}.referral_id)"
)
"""The statement in force about the pupil of a record that belongs to a referral, for the audit."""
