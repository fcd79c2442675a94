"""Task queues kept in Elasticsearch, served over HTTP, usable as a library."""

__version__ = "0.1.0"
