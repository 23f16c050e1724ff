"""The index over HTTP, in parts by audience. ``application`` composes them."""
