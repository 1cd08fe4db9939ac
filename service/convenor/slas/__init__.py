"""Service level agreements."""
