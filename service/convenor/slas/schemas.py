"""The bodies that create and change SLAs."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo, WrapValidator, field_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from convenor.domain_types.codes import Code, Line
from convenor.domain_types.dates import FullDate
from convenor.domain_types.inputs import InputModel, NotNullable, Patch, RecordId, optional_field
from convenor.slas.models import (
    Cadence,
    KpiFields,
    KpiUnit,
    Sla,
    SlaFields,
    SlaKpi,
    SlaStatus,
    SlaTerms,
    SlaTransition,
    TermsFields,
    VolumeFields,
)


def _in_this_century(day: date) -> date:
    if not 2000 <= day.year < 2100:
        raise PydanticCustomError("year_of_sla", "An SLA begins and ends between 2000 and 2099.")
    return day


def _kpis_once(value: Any, read: Callable[[Any], Sequence[Any]]) -> Sequence[Any]:
    """Report repeated KPIs beside whatever else is wrong with the list, so that no error hides another."""
    found: list[InitErrorDetails] = []
    result: Sequence[Any] = []
    try:
        result = read(value)
    except ValidationError as error:
        found = [
            InitErrorDetails(
                type=PydanticCustomError(field_error["type"], field_error["msg"]), loc=field_error["loc"], input=None
            )
            for field_error in error.errors(include_url=False, include_input=False)
        ]
    sent = [item.get("kpi") if isinstance(item, dict) else None for item in value] if isinstance(value, list) else []
    repeated = PydanticCustomError("repeated_kpi", "This KPI appears more than once.")
    seen: set[str] = set()
    for at, kpi in enumerate(sent):
        if isinstance(kpi, str):
            if kpi.strip() in seen:
                found.append(InitErrorDetails(type=repeated, loc=(at, "kpi"), input=None))
            seen.add(kpi.strip())
    if found:
        raise ValidationError.from_exception_data("kpis", found)
    return result


KpisOnce = WrapValidator(_kpis_once)
"""Marks a list of objects with `kpi`, each of which may appear in it once."""

TermDate = Annotated[FullDate, AfterValidator(_in_this_century)]


class TermsCreate(TermsFields, VolumeFields, InputModel, stored_as=SlaTerms):
    """Volumes and price, for a year of the term."""


class KpiCreate(KpiFields, InputModel, stored_as=SlaKpi):
    """One measure that the provider is to report."""

    @field_validator("target")
    @classmethod
    def _percent_has_a_limit(cls, target: float, info: ValidationInfo) -> float:
        if info.data.get("unit") is KpiUnit.PERCENT and target > 100:
            raise PydanticCustomError("percent", "A percentage is at most 100.")
        return target


Kpis = Annotated[list[KpiCreate], Field(min_length=1, max_length=50), KpisOnce]
Clusters = Annotated[list[Line], Field(min_length=1, max_length=100)]


class SlaCreate(SlaFields, InputModel, stored_as=Sla, resolved={"service_id", "clusters", "terms", "kpis"}):
    """A new SLA, as a draft."""

    starts_on: TermDate = Field(description="First day of the term.")
    ends_on: TermDate = Field(description="Last day of the term.")
    service_id: Line = Field(description="The id or code of the commissioned service.")
    provider_id: RecordId = Field(description="The id of the provider, who must be the service's.")
    clusters: Clusters = Field(description="The codes or ids of the clusters that it serves.")
    terms: TermsCreate = Field(description="The terms for a year.")
    kpis: Kpis = Field(description="The measures that the provider is to report.")

    @field_validator("ends_on")
    @classmethod
    def _ends_after_it_starts(cls, ends_on: date, info: ValidationInfo) -> date:
        if (starts_on := info.data.get("starts_on")) and ends_on < starts_on:
            raise PydanticCustomError("before_start", "The last day of the term lies before its first.")
        return ends_on


class SlaUpdate(Patch, stored_as=Sla, resolved={"service_id", "clusters", "terms", "kpis", "valid_from"}):
    """A change: of any field of a draft; of `terms` and `kpis` from `valid_from` once the SLA is agreed."""

    code: Code | None = optional_field(SlaCreate, "code")
    starts_on: TermDate | None = optional_field(SlaCreate, "starts_on")
    ends_on: TermDate | None = optional_field(SlaCreate, "ends_on")
    cadence: Cadence | None = optional_field(SlaCreate, "cadence")
    service_id: Line | None = optional_field(SlaCreate, "service_id")
    provider_id: RecordId | None = optional_field(SlaCreate, "provider_id")
    clusters: Clusters | None = optional_field(SlaCreate, "clusters")
    terms: TermsCreate | None = optional_field(SlaCreate, "terms")
    kpis: Kpis | None = optional_field(SlaCreate, "kpis")
    valid_from: Annotated[TermDate | None, NotNullable] = Field(
        None, description="For an agreed SLA: the first day of the new version of terms and KPIs."
    )


class SlaTransitionCreate(InputModel, stored_as=SlaTransition, resolved={"to"}):
    """One step in the life of an SLA."""

    to: SlaStatus = Field(description="The state to move to: one of the SLA's `next`.")
    reason: Line | None = Field(None, description="The reason.")
