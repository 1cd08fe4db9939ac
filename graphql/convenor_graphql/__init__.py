"""The GraphQL face over the declarations of `convenor`."""
