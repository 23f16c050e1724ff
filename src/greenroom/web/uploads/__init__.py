"""For publishers: the ways in which files come into the index."""
