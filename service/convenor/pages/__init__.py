"""Pages for people: what this is, the reference, the problems. They need no script and nothing from outside."""
