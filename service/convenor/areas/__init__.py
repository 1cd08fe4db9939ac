"""Areas, the tenants."""
