"""The HTTP server: gunicorn's event-loop workers, set up for an index."""
