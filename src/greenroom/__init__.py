"""Greenroom: a Python package index whose releases can wait unseen until they are published."""

from importlib.metadata import version

__version__ = version("greenroom")
