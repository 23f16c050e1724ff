"""The HTTP server: gunicorn's threaded workers, set up for an index."""
