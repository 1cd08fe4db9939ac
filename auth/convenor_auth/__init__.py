"""Authenticate clients and decide what they may do: keys, tokens, grants, scopes, roles."""
