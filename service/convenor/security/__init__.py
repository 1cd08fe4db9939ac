"""Who is calling, and what of a record each role may see."""
