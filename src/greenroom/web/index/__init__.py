"""For installers and mirrors: what they read of the index."""
