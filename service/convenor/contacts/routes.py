"""Contacts over REST, one by one and in bulk."""

from typing import Annotated

from starlette.responses import Response

from convenor.contacts import rules
from convenor.contacts.bulk import CONTACTS_BULK_IMPORT
from convenor.contacts.resource import CONTACTS, ContactRead
from convenor.contacts.schemas import ContactCreate
from convenor.http.bulk import BulkImportRequest, answer_bulk_import, bulk_imports
from convenor.http.dependencies import writes
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.http.write_context import WriteContext
from convenor.referrals.resource import REFERRALS

router = ResourceRouter(Tag("contacts", "Therapy and support sessions. The first attended session ends the wait."))
router.add_list("/v1/contacts", CONTACTS)
router.add_record("/v1/contacts/{contact_id}", CONTACTS)
router.add_sublist("/v1/referrals/{referral_id}/contacts", REFERRALS, "contacts", CONTACTS)


@router.post("/v1/referrals/{referral_id}/contacts", status_code=201, response_model=ContactRead)
async def add_contact(
    referral_id: str,
    data: ContactCreate,
    write: Annotated[WriteContext, writes("contacts:write", "contacts:record", creates=True)],
) -> Response:
    """Record one session. The first attended session ends the wait and puts the referral in progress."""
    contact = await rules.add_contact(write.session, write.principal, referral_id, data)
    return await write.created(CONTACTS, contact.id)


@router.post("/v1/bulk/contacts", response_class=Response)
async def load_contacts(
    load: Annotated[BulkImportRequest, bulk_imports("contacts:write", "contacts:load", CONTACTS_BULK_IMPORT)],
) -> Response:
    """Record many sessions, one a line, identified by their `reference`. Repeating the same load changes nothing."""
    return await answer_bulk_import(load)


FEATURE = Feature(router, partner_writes=True)
