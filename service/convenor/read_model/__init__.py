"""Compile a resource's declaration and a query into one SQL statement that returns JSON."""
