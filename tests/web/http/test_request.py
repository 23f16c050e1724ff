"""The request, as far as it differs from Pyramid's."""

import io

from greenroom.web.http.request import LARGEST_FORM, Request


class Socket(io.BytesIO):
    """What a server hands over: it can be read once."""

    def seekable(self) -> bool:
        return False


def test_a_form_is_read_without_a_file_on_disk() -> None:
    content = b"x" * LARGEST_FORM
    request = Request.blank("/", method="POST")
    request.environ["wsgi.input"] = Socket(content)
    request.content_length = len(content)
    request.is_body_seekable = False

    assert request.body == content
    assert type(request.body_file_raw) is io.BytesIO
