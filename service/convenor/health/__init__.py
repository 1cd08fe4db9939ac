"""Report whether this worker is running and ready to answer."""
