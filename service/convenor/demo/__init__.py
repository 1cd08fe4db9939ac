"""Build the demo: the invented area Wendshire, and what public documents say about two real areas."""

from convenor.demo.clients import DemoClient, write_demo_clients
from convenor.demo.load import DemoSummary, assert_same_demo, load_demo, loaded_demo

__all__ = ["DemoClient", "DemoSummary", "assert_same_demo", "load_demo", "loaded_demo", "write_demo_clients"]
