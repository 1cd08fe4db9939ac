"""Declare what the records of a referral, contacts and outcomes, share: its fields, filters and relation.

Their tables have `referral_id`, `school_id`, `provider_id` and `organisation_id` (who recorded it).
"""

from collections.abc import Mapping

from convenor.domain_types.codes import Line
from convenor.read_model.resource import Filter, Relation

_REFERRAL = "(select r.{what} from referral r where r.area_id = {t}.area_id and r.id = {t}.referral_id)"

SQL: Mapping[str, str] = {
    "referral_code": _REFERRAL.replace("{what}", "code"),
    "service_id": _REFERRAL.replace("{what}", "service_id"),
    "organisation": "(select o.name from organisation o where o.id = {t}.organisation_id)",
}

RELATIONS: Mapping[str, Relation] = {"referral": Relation("referrals", {"id": "referral_id"}, many=False)}

FILTERS: Mapping[str, Filter] = {
    "referral": Filter(
        # Not `in (code, id::text)`: each arm has its index, over very many referrals. The expression is immutable, so
        # that the planner never reads a code as a UUID.
        "{t}.referral_id = (select r.id from referral r where r.area_id = {area} and (r.code = {v} or r.id ="
        " case when {v} ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then {v}::uuid end))",
        "text",
        Line,
        "Those of the referral with this id or code.",
    ),
    "service": Filter(
        "exists (select from referral r join commissioned_service s on s.area_id = r.area_id and s.id = r.service_id"
        " where r.area_id = {t}.area_id and r.id = {t}.referral_id and {v} in (s.code, s.id::text))",
        "text",
        Line,
        "Those given by the service with this id or code.",
    ),
    "school": Filter(
        "{t}.school_id = (select s.id from school s where s.area_id = {area} and {v} in (s.urn, s.id::text))",
        "text",
        Line,
        "Those for the school with this URN or id.",
    ),
}
