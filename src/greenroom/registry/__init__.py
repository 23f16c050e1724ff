"""What the index does: one function per use case, free of HTTP.

A function takes a :class:`~greenroom.registry.unit_of_work.UnitOfWork`, the actor and plain values,
and gives models back or raises a :class:`~greenroom.registry.errors.Refusal`.
"""
