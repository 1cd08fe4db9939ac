"""Impact returns."""
