"""Serve the declarations of `convenor` over GraphQL."""
