"""The reading machine: a resource declared once, compiled to one statement whose JSON is handed on untouched."""
