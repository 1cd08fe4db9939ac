"""The REST face's own machinery: the edge, reading routes, writing routes, problems, bodies, the contract."""
