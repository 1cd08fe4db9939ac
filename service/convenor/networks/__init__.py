"""Health geography."""
