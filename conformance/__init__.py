"""A conformance suite for Upload 2.0 (PEP 694, draft of 29 July 2026): see the README beside it."""
