"""The walkthrough of the main job over HTTP, as each partner in turn. It talks to a running demo as any client does."""

from convenor.walkthrough.walk import walk

__all__ = ["walk"]
