"""Benchmarks over REST; they change by a load only."""

from convenor.benchmarks.resource import BENCHMARKS
from convenor.http.feature import Feature
from convenor.http.read_routes import ResourceRouter, Tag

router = ResourceRouter(Tag("benchmarks", "Published values of the same measures elsewhere, for comparison."))
router.add_list("/v1/benchmarks", BENCHMARKS)
router.add_record("/v1/benchmarks/{benchmark_id}", BENCHMARKS)


FEATURE = Feature(router)
