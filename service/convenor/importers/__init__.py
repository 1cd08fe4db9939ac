"""Import the programme's files into an area, for commands. A partner writes through the API instead."""

from convenor.importers.load import load_file
from convenor.importers.report import Finding, LoadReport, Verdict

__all__ = ["Finding", "LoadReport", "Verdict", "load_file"]
