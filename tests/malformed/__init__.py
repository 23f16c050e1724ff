"""Malformed distributions and requests: each by name, with the answer that it has to get.

Nothing of it is stored: every case is made when it is sent. `corpus.py` has all of them.
"""
