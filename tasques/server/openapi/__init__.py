"""
The API descriptions, generated from the table of routes and the wire models.

- :mod:`~tasques.server.openapi.notations`: how strings are written: patterns and their meaning.
- :mod:`~tasques.server.openapi.shapes`: wire models and their fields as schemas.
- :mod:`~tasques.server.openapi.links`: which operation comes after which.
- :mod:`~tasques.server.openapi.pages`: where descriptions and pages are.
- :mod:`~tasques.server.openapi.document`: OpenAPI 3.0, as exact as the notation allows.
- :mod:`~tasques.server.openapi.swagger`: Swagger 2.0, under the names of the original's description.
"""
