"""What the index does: one function per use case, free of HTTP.

A function takes an :class:`~greenroom.registry.index.Index`, the actor and plain values, and gives
models back or raises a :class:`~greenroom.registry.errors.Refusal`. It never commits.
"""
