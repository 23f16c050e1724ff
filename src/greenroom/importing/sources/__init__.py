"""The kinds of sources. None knows another."""
