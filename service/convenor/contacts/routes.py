"""Contacts over REST, one by one and in bulk."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from convenor.contacts import rules
from convenor.contacts.bulk import CONTACTS_LOAD
from convenor.contacts.resource import CONTACTS, ContactRead
from convenor.contacts.schemas import ContactCreate
from convenor.http.bulk import LoadOperation, LoadRequest, answer_load
from convenor.http.json_body import GuardedRoute
from convenor.http.read_routes import list_route, record_route, sublist_route
from convenor.http.write_routes import WriteContext, writes
from convenor.referrals.resource import REFERRALS

router = APIRouter(tags=["contacts"], route_class=GuardedRoute)
read_routes = [
    list_route("/v1/contacts", CONTACTS),
    record_route("/v1/contacts/{id}", CONTACTS),
    sublist_route("/v1/referrals/{id}/contacts", REFERRALS, "contacts", CONTACTS),
]


@router.post("/v1/referrals/{id}/contacts", status_code=201, response_model=ContactRead)
async def add_contact(
    id: str,  # noqa: A002 - the name in the path
    data: ContactCreate,
    write: Annotated[WriteContext, writes("contacts:write", "contacts:record", creates=True)],
) -> Response:
    """Records one session. The first attended one starts the work: the referral is in progress, the wait ends."""
    contact = await rules.add_contact(write.session, write.principal, id, data)
    return await write.created(CONTACTS, contact.id)


@router.post("/v1/bulk/contacts", response_class=Response)
async def load_contacts(
    asked: Annotated[LoadRequest, Depends(LoadOperation("contacts:write", "contacts:load", CONTACTS_LOAD))],
) -> Response:
    """Loads sessions, one a line, known by their `reference`: a repeated load changes nothing."""
    return await answer_load(asked)
