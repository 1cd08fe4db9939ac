"""Which pupils of different organisations are one child, and what people decide of that."""
