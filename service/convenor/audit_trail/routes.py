"""The audit over REST."""

from convenor.audit_trail.resource import AUDIT_EVENTS
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag

router = ResourceRouter(Tag("audit", "Who did what to which records, when and for which purpose."))
router.add_list("/v1/audit/events", AUDIT_EVENTS)
router.add_record("/v1/audit/events/{event_id}", AUDIT_EVENTS)


FEATURE = Feature(router)
