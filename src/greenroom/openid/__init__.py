"""OpenID Connect: what issuers say of themselves, their keys, and the ID tokens they sign.

Knows nothing of projects, users and databases. An issuer is trusted because the operator says so,
and nothing is asked of any other host than the operator names.
"""
