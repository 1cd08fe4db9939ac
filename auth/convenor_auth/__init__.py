"""Who is calling and what they may do: clients, keys, tokens, grants, scopes, roles."""
