"""The JSON API, below the address of XML-RPC."""

from functools import partial

from pyramid.config import Configurator

from greenroom.web.http.traversal import add_branch
from greenroom.web.index.json_api.resources import PypiProject
from greenroom.web.index.pypi import Pypi


def includeme(config: Configurator) -> None:
    """Hand Root the branch, and register the views."""
    add_branch(config, "pypi", partial(Pypi, below=PypiProject.find))
    config.scan(__name__)
