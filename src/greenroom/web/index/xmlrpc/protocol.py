"""XML-RPC documents: a call comes in, a result or a fault goes out. Knows nothing of the index."""

import xmlrpc.client
from typing import Any
from xml.parsers import expat

from msgspec import Struct

from greenroom.web.http.xml import xml_text

# The codes that XML-RPC servers have agreed on.
NOT_WELL_FORMED = -32700
NO_SUCH_METHOD = -32601
WRONG_PARAMETERS = -32602


class Call(Struct, frozen=True):
    """What a request wants: a method and its parameters."""

    method: str
    parameters: tuple[object, ...]


class Fault(Exception):
    """A call that cannot be answered: a code and a sentence."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence


def parse_call(document: bytes) -> Call:
    """The call that a request document makes.

    Raises:
        Fault: it is no XML, has a document type (which could define entities), or makes no call.
    """
    _check_document(document)
    try:
        parameters, method = xmlrpc.client.loads(document)
    except Exception:
        # The library was made for what servers answer, and raises what it likes at what is no call.
        raise Fault(NOT_WELL_FORMED, "The request is no XML-RPC call.") from None
    if not method:
        raise Fault(NOT_WELL_FORMED, "The request names no method.")
    return Call(method, parameters)


def result_document(result: Any) -> bytes:
    """The document that gives back a result."""
    return _encoded(xmlrpc.client.dumps((result,), methodresponse=True, allow_none=True))


def fault_document(fault: Fault) -> bytes:
    """The document that says why there is no result."""
    return _encoded(xmlrpc.client.dumps(xmlrpc.client.Fault(fault.code, xml_text(fault.sentence))))


def _encoded(document: str) -> bytes:
    return document.encode()


def _check_document(document: bytes) -> None:
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(document, True)
    except Fault:
        raise
    except Exception:  # no XML, or in an encoding that nobody knows
        raise Fault(NOT_WELL_FORMED, "The request is not well-formed XML.") from None


def _refuse_doctype(*declaration: object) -> None:
    raise Fault(NOT_WELL_FORMED, "The request has a document type, which no XML-RPC call has.")
