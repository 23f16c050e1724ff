"""Mail: what it says, and sending it."""
