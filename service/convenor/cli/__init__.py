"""The command `convenor`."""
