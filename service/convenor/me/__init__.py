"""Who am I: what a client is to this service."""
