"""The caller, and what each role may see."""
