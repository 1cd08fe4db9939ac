"""Benchmarks and findings."""
