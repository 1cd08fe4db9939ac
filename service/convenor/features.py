"""The features, each a room with the same file names; and every resource that they declare."""

from convenor.commissioned_services import routes as commissioned_services
from convenor.pathways import routes as pathways
from convenor.referrals import routes as referrals
from convenor.schools import routes as schools

FEATURES = (schools, commissioned_services, pathways, referrals)
