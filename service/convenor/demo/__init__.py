"""The demo: Wendshire, invented through and through, beside what the documents say of two real areas."""

from convenor.demo.clients import DemoClient, write_demo_clients
from convenor.demo.load import DemoSummary, demo_is_loaded, load_demo

__all__ = ["DemoClient", "DemoSummary", "demo_is_loaded", "load_demo", "write_demo_clients"]
