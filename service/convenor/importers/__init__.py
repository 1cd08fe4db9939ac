"""Import files into an area, for commands: of the register, of a council, of the programme. Partners use the API."""

from convenor.importers.load import load_file
from convenor.importers.report import Finding, LoadReport, Verdict

__all__ = ["Finding", "LoadReport", "Verdict", "load_file"]
