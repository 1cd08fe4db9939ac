"""Who is in a cluster."""
