"""Facts of the repository that nothing else would notice: its folders and its newest migration."""

from pathlib import Path

from alembic.script import ScriptDirectory

from convenor.migrate import configuration
from convenor.revision import newest_revision

ROOT = Path(__file__).parents[2]


def test_the_folder_graphql_is_no_package_for_it_would_hide_graphql_core() -> None:
    assert not (ROOT / "graphql" / "__init__.py").exists()
    import graphql

    assert graphql.__file__ is not None
    assert ROOT / "graphql" not in Path(graphql.__file__).parents


def test_the_newest_revision_is_alembic_s_head() -> None:
    assert newest_revision() == ScriptDirectory.from_config(configuration()).get_current_head()
