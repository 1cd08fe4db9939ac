"""Loading the programme's files into an area, as a command does it. A partner writes through the API instead."""

from convenor.importers.files import Kind
from convenor.importers.load import load_file
from convenor.importers.report import Finding, LoadReport, Verdict

__all__ = ["Finding", "Kind", "LoadReport", "Verdict", "load_file"]
