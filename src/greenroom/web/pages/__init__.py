"""For people: pages and forms."""
