"""Clusters, their members and role holders."""
