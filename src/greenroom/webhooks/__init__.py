"""Webhooks: what they say (messages.py), and sending it (sending.py)."""
