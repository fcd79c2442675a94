"""
The API descriptions over HTTP, and the pages to read them and to try things out on.

- :mod:`~tasques.server.documentation.resources`: the Falcon resources.
- :mod:`~tasques.server.documentation.assets`: what the pages are made of; nothing else is served.
- ``page.html``, ``start.js``: the pages' frame, and what starts swagger-ui in it.
"""
