"""Renders one description, as a process of its own that ``description.py`` starts and can stop.

A renderer that meets hostile text can take minutes, gigabytes, or the whole process down with it: a
stack that overflows in native code is no exception that anybody could catch. So it gets a process
that has little to lose. This file is run by its path, and imports nothing of ours.

    python rendering.py <content type> <Markdown variant>  < description  > html

Exits with ``DOES_NOT_RENDER``, and the first warning on stderr, for what the renderer refuses.
"""

import io
import resource
import sys

DOES_NOT_RENDER = 3

MEMORY = 256 * 1024 * 1024
SECONDS = 10
MAX_HTML = 8_000_000


def main(kind: str, variant: str) -> int:
    """Render standard input to standard output; the result is the exit status."""
    _limit_resources()
    description = sys.stdin.buffer.read().decode()
    warnings = io.StringIO()
    try:
        html = _render(description, kind, variant, warnings)
    except (Exception, SystemExit) as error:  # docutils exits where others raise
        html = None
        warnings.write(type(error).__name__)
    if html is None or len(html) > MAX_HTML:
        sys.stderr.write(_first_line(warnings.getvalue()))
        return DOES_NOT_RENDER
    sys.stdout.buffer.write(html.encode())
    return 0


def _limit_resources() -> None:
    for kind, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def _render(description: str, kind: str, variant: str, warnings: io.StringIO) -> str | None:
    # Each renderer takes a while to import: only the one that is wanted is.
    if kind == "text/markdown":
        from readme_renderer import markdown

        return markdown.render(description, variant=variant)
    if kind == "text/x-rst":
        from readme_renderer import rst

        return rst.render(description, stream=warnings)
    from readme_renderer import txt

    return txt.render(description)


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
