"""Pathways over REST."""

from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag
from convenor.pathways.resource import PATHWAYS

router = ResourceRouter(
    Tag("pathways", "The published pathways: states, steps, who makes each step and what it requires.")
)
router.add_list("/v1/pathways", PATHWAYS)
router.add_record("/v1/pathways/{code}", PATHWAYS)


FEATURE = Feature(router)
