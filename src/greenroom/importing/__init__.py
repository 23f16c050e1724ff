"""Moving in: what is published elsewhere is fetched and handed to the registry.

Below the entry points and above the registry, which knows nothing of where files come from.
"""
