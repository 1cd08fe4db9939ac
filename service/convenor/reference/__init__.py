"""Hold the programme's own documents as CSV. `README.md` in this folder says what each file holds."""

from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent

AREAS: Final = _FOLDER / "areas.csv"
CLUSTERS: Final = _FOLDER / "south_glos_clusters.csv"
PILOT_SCHOOLS: Final = _FOLDER / "pilot_schools.csv"
OFFERS: Final = _FOLDER / "cluster_offers_2025_26.csv"
NETWORKS: Final = _FOLDER / "cornwall_pcns.csv"
BENCHMARKS: Final = _FOLDER / "benchmarks.csv"
FINDINGS: Final = _FOLDER / "impact_findings.csv"
