"""Health geography over REST; it changes by a load only."""

from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.networks.resource import NETWORKS

router = ResourceRouter(Tag("networks", "Health geography: primary care networks by integrated care area."))
router.add_list("/v1/networks", NETWORKS)
router.add_record("/v1/networks/{network_id}", NETWORKS)


FEATURE = Feature(router)
