"""HTTP: middleware, dependencies, read and write routes, problems, the OpenAPI document."""
