"""Convenor: the facts of a neighbourhood peer cluster, exchanged by schools, health and providers over one API."""
