"""For those who run the index, and their programs."""
