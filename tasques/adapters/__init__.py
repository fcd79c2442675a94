"""
The stores, each an implementation of :class:`tasques.core.ports.Backend`, and the neighbours.

Each store comes in by the plugin hook of its URL scheme, as a stranger's would; nothing else may import
one. What only one store knows stays inside its package.
"""
