"""A multipart/form-data request body, read once: text into memory, the file to disk.

An upload is one request of up to a gigabyte. Its file is written to a temporary file while it
arrives and hashed on the way, so that memory does not grow with it and no byte is read twice.
The grammar is that of RFC 7578, read strictly: what one reader would take for the end of a part
and another would not has no place in an index. What RFC 2046 (section 5.1.1) allows around the
parts, a preamble, an epilogue and blanks behind a boundary, is passed over, up to so many bytes.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, cast

from msgspec import Struct, field
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    PushMultipartParser,
)

from greenroom.registry.arriving import OF_NOBODY, Share
from greenroom.registry.artifacts import Artifact, Receiver
from greenroom.web.http.content_coding import COMPRESSED, GZIP
from greenroom.web.http.media_types import media_type, parameter

PIECE = 256 * 1024
LINE_END = b"\r\n"
MOST_AROUND = 64 * 1024
"""How many bytes of a form may belong to no part: preamble, epilogue, blanks behind boundaries."""
LONGEST_PADDING = 1024
"""How many blanks may be behind one boundary."""
STOPPED = "The upload stopped before its end."
NOT_BEGUN = "The form does not begin with its boundary."
GOES_ON = "The form goes on after its last boundary."
TOO_MUCH = "The form has too many blanks behind its boundaries."
HARMLESS_ENCODINGS = frozenset({"7bit", "8bit", "binary"})
TEXT_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})

_boundary = re.compile(r"[ -~]{0,69}[!-~]")
"""RFC 2046 §5.1.1 allows fewer characters; there are clients that use others, such as ``$``."""


_ENDING = re.compile(rb"--|[ \t]*\r\n")
_BEGINNING_OF_ENDING = re.compile(rb"-|[ \t]*\r?")
# Distutils of old ends its forms with a line feed alone.
_EPILOGUE = re.compile(rb"[ \t]*(?:\r?\n.*)?", re.DOTALL)

BeforeFile = Callable[[Mapping[str, Sequence[str]], Sequence[str], str], Share]


class BrokenForm(Exception):
    """The body is not a form that this index can take.

    Attributes:
        sentence: what is wrong, for the person who sent it.
    """

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class TooMuchText(BrokenForm):
    """All fields but the file are together larger than they may be."""


class ReadableStream(Protocol):
    """What a body is read from, such as ``wsgi.input``."""

    def read(self, size: int = ..., /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""


class ReceivedFile(Struct, frozen=True):
    """A file of a form.

    Attributes:
        artifact: as it lies in a temporary file, under the name that the client gave it, unchecked.
        content_type: the media type the client gave it, in lower case and without parameters.
        remove: removes it, if it is still where it was; then it is no longer arriving.
    """

    artifact: Artifact
    content_type: str | None
    remove: Callable[[], None]


class ReceivedForm(Struct, frozen=True):
    """A form that arrived whole. Leaving its context removes the temporary file.

    Attributes:
        fields: the text of each field, in the order in which it was sent.
        file: the file, when there was one.
        problems: a sentence for each field that is left out because it is no text.
        thrown_away: the names of fields whose files nobody wants.
    """

    fields: dict[str, list[str]] = field(default_factory=dict)
    file: ReceivedFile | None = None
    problems: tuple[str, ...] = ()
    thrown_away: frozenset[str] = frozenset()

    def discard(self) -> None:
        """Remove the temporary file, if it is still where it was."""
        if self.file is not None:
            self.file.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.discard()


def receive(
    stream: ReadableStream,
    content_type: str | None,
    *,
    file_field: str,
    ignored_files: Collection[str] = (),
    folder: Path,
    max_file_size: int,
    max_field_size: int = 1024**2,
    max_fields: int = 2048,
    max_text_size: int = 16 * 1024**2,
    before_file: BeforeFile = lambda fields, problems, filename: OF_NOBODY,
) -> ReceivedForm:
    """Read a multipart/form-data body from ``stream``.

    Args:
        stream: the body.
        content_type: the request's Content-Type.
        file_field: the name of the field whose file goes to disk; at most one is taken.
        ignored_files: names of fields that may have a file too, which is thrown away.
        folder: an existing folder for the temporary file.
        max_file_size: of that file, in bytes.
        max_field_size: of each other field, in bytes.
        max_fields: how many fields, the file among them.
        max_text_size: of all other fields together with their names, in bytes.
        before_file: called with the fields and problems so far, and the name of the file, when it
            begins. What it raises ends the reading, so that a refusal that is certain does not wait
            for a gigabyte. It says against whose quota the file counts while it arrives.

    Returns:
        The form. What is wrong with the text of a field is told there, and not raised, so that
        the caller can first answer what it checks first.

    Raises:
        BrokenForm: the body is malformed, ends too early, or is beyond a limit; of
            ``max_text_size`` it is TooMuchText.
        TooManyBytes: as soon as more than ``max_file_size`` bytes of the file have arrived.
    """
    boundary = _boundary_of(content_type)
    parser = cast(
        "_Parser",
        # Strict would refuse headers that are folded, which RFC 2046 lets clients do. What else it
        # would refuse is refused here.
        PushMultipartParser(boundary, max_segment_count=max_fields + 2),
    )
    limits = _Limits(max_file_size, max_field_size, max_fields, max_text_size)
    form = _FormInTheMaking(file_field, ignored_files, folder, limits, before_file)
    try:
        for event in _events(parser, stream, boundary):
            form.take(event)
    except BaseException:
        form.abandon()
        raise
    return form.finished()


def _boundary_of(content_type: str | None) -> str:
    if media_type(content_type) != "multipart/form-data":
        raise BrokenForm("The request is not multipart/form-data.")
    boundary = parameter(content_type, "boundary") or ""
    if not _boundary.fullmatch(boundary):
        raise BrokenForm("The Content-Type of the request has no valid boundary.")
    return boundary


class _Part(Protocol):
    """What the parser tells at the beginning of a part."""

    name: str | None
    filename: str | None
    content_type: str | None
    charset: str | None
    headerlist: list[tuple[str, str]]


_Event = _Part | bytes | None


class _Parser(Protocol):
    def parse(self, chunk: bytes) -> Iterator[_Event]: ...


def _events(parser: _Parser, stream: ReadableStream, boundary: str) -> Iterator[_Event]:
    """Parse ``stream`` to its end."""
    try:
        for chunk in _PartsAlone(stream, boundary).chunks():
            yield from parser.parse(chunk)
        yield from parser.parse(b"")
    except MultipartError as error:
        raise BrokenForm(_sentence(error)) from error


class _PartsAlone:
    """A body without what stands around its parts, for a parser that knows only these.

    A line that begins like a boundary and goes on otherwise ends a part, too (RFC 2046, section
    5.1.1): it is left to the parser, which refuses it.
    """

    def __init__(self, stream: ReadableStream, boundary: str) -> None:
        self._stream = stream
        self._delimiter = LINE_END + b"--" + boundary.encode("ascii")
        self._held = LINE_END  # the first boundary needs no line end before it
        self._around = 0

    def chunks(self) -> Iterator[bytes]:
        """The parts and the boundaries between them, in pieces of any size.

        Raises:
            BrokenForm: something stands where nothing may, or there is too much of it.
        """
        self._pass_over_preamble()
        start = self._delimiter.removeprefix(LINE_END)
        while self._held:
            ending = self._ending()
            yield start + ending
            if ending == b"--":
                self._pass_over_epilogue()
                return
            yield from self._part()
            start = self._delimiter

    def _pass_over_preamble(self) -> None:
        """Leave what is held beginning with the first boundary.

        One that stands within a line is none. It is refused, as the part behind it would be lost.
        """
        within = self._delimiter.removeprefix(LINE_END)
        while (index := self._held.find(self._delimiter)) < 0:
            if self._held.startswith(LINE_END + GZIP):
                raise BrokenForm(COMPRESSED)
            if within in self._held:
                raise BrokenForm(NOT_BEGUN)
            self._drop(max(len(self._held) - len(self._delimiter) + 1, 0), NOT_BEGUN)
            if not self._more():
                began = self._delimiter.startswith(self._held)
                raise BrokenForm(STOPPED if began else NOT_BEGUN)
        if within in self._held[:index]:
            raise BrokenForm(NOT_BEGUN)
        self._drop(index, NOT_BEGUN)

    def _ending(self) -> bytes:
        """Take the boundary away that is held, and what ends it: nothing where that is wrong."""
        length = len(self._delimiter)
        while (found := _ENDING.match(self._held, length)) is None:
            if _BEGINNING_OF_ENDING.fullmatch(self._held, length) is None:
                self._held = self._held[length:]
                return b""
            if len(self._held) > length + LONGEST_PADDING + 1:
                raise BrokenForm(TOO_MUCH)
            if not self._more():
                raise BrokenForm(STOPPED)
        self._held = self._held[length:]
        ending = bytes(found[0].lstrip(b" \t"))
        blanks = len(found[0]) - len(ending)
        if blanks > LONGEST_PADDING:
            raise BrokenForm(TOO_MUCH)
        self._drop(blanks, TOO_MUCH)
        self._held = self._held[len(ending) :]
        return ending

    def _part(self) -> Iterator[bytes]:
        """What comes before the next boundary; at the end of the body nothing is held any more."""
        while (index := self._held.find(self._delimiter)) < 0:
            certain = self._certain()
            if certain > 0:
                yield self._held[:certain]
                self._held = self._held[certain:]
            if not self._more():
                yield self._held
                self._held = b""
                return
        if index > 0:
            yield self._held[:index]
            self._held = self._held[index:]

    def _certain(self) -> int:
        """How many of the bytes that are held are of the part, whatever arrives next.

        No byte waits without need: a refusal that is certain when the file begins must not.
        """
        start = self._held.rfind(b"\r", max(len(self._held) - len(self._delimiter) + 1, 0))
        if start >= 0 and self._delimiter.startswith(self._held[start:]):
            return start
        return len(self._held)

    def _pass_over_epilogue(self) -> None:
        """Read to the end of the body; no boundary may come any more."""
        while self._around + len(self._held) <= MOST_AROUND:
            if not self._more():
                break
        if _EPILOGUE.fullmatch(self._held) is None or self._delimiter in self._held:
            raise BrokenForm(GOES_ON)
        self._drop(len(self._held), GOES_ON)

    def _drop(self, count: int, sentence: str) -> None:
        self._around += count
        if self._around > MOST_AROUND:
            raise BrokenForm(sentence)
        self._held = self._held[count:]

    def _more(self) -> bool:
        piece = _read(self._stream)
        self._held += piece
        return bool(piece)


def _read(stream: ReadableStream) -> bytes:
    try:
        return stream.read(PIECE)
    except Exception as error:  # each server has its own for a connection that breaks or stalls
        raise BrokenForm(STOPPED) from error


def _sentence(error: MultipartError) -> str:
    if "Unexpected end" in str(error):
        return STOPPED
    return f"The request is not a valid form: {str(error)[:200]}."


class _Limits(Struct, frozen=True):
    file_size: int
    field_size: int
    fields: int
    text_size: int


class _FormInTheMaking:
    """The parts of a form as they arrive."""

    def __init__(
        self,
        file_field: str,
        ignored_files: Collection[str],
        folder: Path,
        limits: _Limits,
        before_file: BeforeFile,
    ) -> None:
        self._file_field = file_field
        self._ignored_files = ignored_files
        self._before_file = before_file
        self._folder = folder
        self._limits = limits
        self._fields: dict[str, list[str]] = {}
        self._problems: list[str] = []
        self._thrown_away: set[str] = set()
        self._file: _ArrivingFile | None = None
        self._current: _ArrivingFile | _ArrivingText | None = None
        self._count = 0
        self._text_size = 0

    def take(self, event: _Event) -> None:
        """Take the beginning of a part, a piece of it, or, with None, its end."""
        if event is None:
            self._end()
        elif isinstance(event, bytes):
            self._add(event)
        else:
            self._current = self._begin(event)

    def finished(self) -> ReceivedForm:
        file = self._file.received() if self._file else None
        return ReceivedForm(self._fields, file, tuple(self._problems), frozenset(self._thrown_away))

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._file is not None:
            self._file.remove()

    def _begin(self, part: _Part) -> "_ArrivingFile | _ArrivingText":
        name = _checked_name(part)
        self._count += 1
        if self._count > self._limits.fields:
            raise BrokenForm(f"The form has more than {self._limits.fields} fields.")
        if name != self._file_field:
            self._count_text(len(name))
            return _ArrivingText(name, part, self._limits.field_size)
        if self._file is not None:
            raise BrokenForm(f"The form has more than one field {name!r}.")
        share = self._before_file(self._fields, self._problems, part.filename or "")
        if not part.filename:
            raise BrokenForm(f"The field {name!r} must be a file and have a file name.")
        self._file = _ArrivingFile(part, self._folder, self._limits.file_size, share)
        return self._file

    def _add(self, piece: bytes) -> None:
        if isinstance(self._current, _ArrivingText):
            self._count_text(len(piece))
        if self._current is not None:
            self._current.add(piece)

    def _count_text(self, size: int) -> None:
        self._text_size += size
        if self._text_size > self._limits.text_size:
            raise TooMuchText(
                f"The fields of the form are larger than {self._limits.text_size} bytes."
            )

    def _end(self) -> None:
        part, self._current = self._current, None
        if not isinstance(part, _ArrivingText):
            return
        if part.is_file and part.name in self._ignored_files:
            self._thrown_away.add(part.name)
        else:
            problem = part.problem()
            if problem is not None:
                self._problems.append(problem)
            else:
                self._fields.setdefault(part.name, []).append(part.text())


class _ArrivingText:
    """A field that is kept in memory."""

    def __init__(self, name: str, part: _Part, limit: int) -> None:
        self.name = name
        self.is_file = part.filename is not None
        self._charset = (part.charset or "utf-8").lower()
        self._limit = limit
        self._bytes = bytearray()

    def add(self, piece: bytes) -> None:
        self._bytes += piece
        if len(self._bytes) > self._limit:
            raise BrokenForm(f"The field {_short(self.name)} is larger than {self._limit} bytes.")

    def problem(self) -> str | None:
        """Why this is no text, if it is none."""
        if self.is_file:
            return f"The field {_short(self.name)} must be text, and is sent as a file."
        try:
            text = self.text()
        except UnicodeDecodeError:
            return f"The field {_short(self.name)} is not UTF-8."
        if self._charset not in TEXT_CHARSETS:
            return f"The field {_short(self.name)} is not UTF-8."
        return f"The field {_short(self.name)} contains a NUL character." if "\0" in text else None

    def text(self) -> str:
        """The text.

        Raises:
            UnicodeDecodeError: it is none.
        """
        return self._bytes.decode("utf-8")


class _ArrivingFile:
    """The file, written and hashed while it arrives."""

    def __init__(self, part: _Part, folder: Path, limit: int, share: Share) -> None:
        self._filename = part.filename or ""
        self._content_type = part.content_type
        self._receiver = Receiver(folder, limit=limit, share=share)
        self.add = self._receiver.add
        self.remove = self._receiver.remove

    def received(self) -> ReceivedFile:
        artifact = Artifact(self._filename, self._receiver.received())
        return ReceivedFile(artifact, self._content_type, self.remove)


def _checked_name(part: _Part) -> str:
    """The name of a part whose headers can be read in one way only."""
    names = [name for name, _ in part.headerlist]
    if len(set(names)) < len(names):
        raise BrokenForm("A field of the form has the same header twice.")
    encoding = dict(part.headerlist).get("Content-Transfer-Encoding", "binary")
    if encoding.strip().lower() not in HARMLESS_ENCODINGS:
        raise BrokenForm("A field of the form has a Content-Transfer-Encoding.")
    if not part.name:
        raise BrokenForm("A field of the form has no name.")
    if "\0" in part.name or "\0" in (part.filename or ""):
        raise BrokenForm("The name of a field contains a NUL character.")
    return part.name


def _short(name: str) -> str:
    """A client's word in a sentence of ours: quoted, printable and of bounded length."""
    return ascii(name if len(name) <= 60 else name[:57] + "...")
