"""A page of ours whose form has in it once more what somebody had typed.

The page is one that our templates have made. What its controls hold is set in its text, whichever
view and template it is of; hidden fields are left as the page has them, and passwords are never
set. Whoever looks at the page presses its button, or does not.
"""

from collections.abc import Iterator, Sequence
from html import escape
from html.parser import HTMLParser
from itertools import accumulate
from urllib.parse import unquote, urlsplit

from msgspec import Struct, field

_NOTICE = '<p class="banner amber"><span>Nothing was done yet: here is what you typed.</span></p>'
_CONTROLS = frozenset({"input", "textarea", "select"})
_CHOSEN = frozenset({"checkbox", "radio"})
_NOT_TYPED = frozenset({"hidden", "password", "file", "submit", "button", "image", "reset"})

Attributes = dict[str, str | None]
Edit = tuple[int, int, str]


class _Tag(Struct):
    """A start tag, and where it is in the page; ``text`` is what is between it and its end."""

    name: str
    attributes: Attributes
    start: int
    end: int
    closed: int = 0
    text: str = ""
    options: list["_Tag"] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return (self.attributes.get("type") or "text").lower()

    @property
    def field_name(self) -> str:
        return self.attributes.get("name") or ""

    @property
    def value(self) -> str:
        """What it stands for: of a box or an option that is not chosen, too."""
        value = self.attributes.get("value")
        if value is None:
            return "on" if self.kind in _CHOSEN and self.name == "input" else self.text.strip()
        return value

    def with_(self, **changed: str | bool) -> Edit:
        """The tag with other attributes: False for none."""
        attributes: dict[str, str | bool | None] = {**self.attributes, **changed}
        words = [
            name if value is True or value is None else f'{name}="{escape(str(value))}"'
            for name, value in attributes.items()
            if value is not False
        ]
        return self.start, self.end, f"<{' '.join([self.name, *words])}>"


class _Form(Struct):
    tag: _Tag
    around: list[_Tag]
    controls: list[_Tag] = field(default_factory=list)

    @property
    def hidden(self) -> Iterator[tuple[str, str]]:
        return ((each.field_name, each.value) for each in self.controls if each.kind == "hidden")

    @property
    def typed(self) -> Iterator[_Tag]:
        """The controls that a person fills in."""
        for each in self.controls:
            is_fixed = "readonly" in each.attributes or "disabled" in each.attributes
            if each.field_name and not is_fixed and each.kind not in _NOT_TYPED:
                yield each


def filled(page: str, action: str, fields: Sequence[tuple[str, str]]) -> str | None:
    """The page with these fields in its form that is sent to ``action``; None where it has none.

    Of several, it is the one whose hidden fields are these, and which has most of the rest in it.
    A form that a person types nothing into is none.
    """
    reader = _Reader(page)
    reader.feed(page)
    reader.close()
    found = [form for form in reader.forms if _is_meant(form, action, fields)]
    if not found:
        return None
    edits = _edits(max(found, key=lambda form: _likeness(form, fields)), fields)
    for start, end, text in sorted(edits, reverse=True):
        page = page[:start] + text + page[end:]
    return page


def _is_meant(form: _Form, action: str, fields: Sequence[tuple[str, str]]) -> bool:
    attributes = form.tag.attributes
    if (attributes.get("method") or "").lower() != "post" or not any(form.typed):
        return False
    if unquote(urlsplit(attributes.get("action") or "").path) != action:
        return False
    sent = dict(fields)
    return all(sent[name] == value for name, value in form.hidden if name in sent)


def _likeness(form: _Form, fields: Sequence[tuple[str, str]]) -> int:
    return len(set(fields) & {(each.field_name, each.value) for each in form.typed})


def _edits(form: _Form, fields: Sequence[tuple[str, str]]) -> list[Edit]:
    """What changes in the page, each part of it once."""
    sent, edits = dict(fields), [(form.tag.end, form.tag.end, _NOTICE)]
    edits += [each.with_(open=True) for each in form.around]
    is_first = True
    for control in form.typed:
        name, pairs = (
            control.field_name,
            {value for key, value in fields if key == control.field_name},
        )
        if control.name == "input" and control.kind in _CHOSEN:
            edits.append(control.with_(checked=control.value in pairs))
        elif name not in sent:
            continue
        elif control.name == "select":
            if pairs <= {option.value for option in control.options}:
                edits += [each.with_(selected=each.value in pairs) for each in control.options]
        elif control.name == "textarea":
            text = escape(sent[name].replace("\r\n", "\n"))
            edits.append((control.end, control.closed, f"\n{text}"))
        else:
            edits.append(control.with_(value=sent[name], autofocus=is_first))
            is_first = False
    return edits


class _Reader(HTMLParser):
    """Finds the forms of a page, with their controls and the details that they are in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self._lines = [0, *accumulate(len(line) for line in page.split("\n")[:-1])]
        self._lines = [start + number for number, start in enumerate(self._lines)]
        self._details: list[_Tag] = []
        self._open: _Form | None = None
        self._filling: _Tag | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a form is made of."""
        start = self._offset()
        end = start + len(self.get_starttag_text() or "")
        found = _Tag(tag, dict(attrs), start, end)
        if tag == "details":
            self._details.append(found)
        elif tag == "form":
            self._open = _Form(found, list(self._details))
            self.forms.append(self._open)
        elif self._open is not None and tag in _CONTROLS:
            self._open.controls.append(found)
            self._filling = found if tag == "textarea" else None
        elif self._open is not None and tag == "option" and self._open.controls:
            self._open.controls[-1].options.append(found)
            self._filling = found

    def handle_endtag(self, tag: str) -> None:
        """Note where it ends."""
        if tag == "details" and self._details:
            self._details.pop()
        elif tag == "form":
            self._open = None
        elif self._filling is not None and tag == self._filling.name:
            self._filling.closed = self._offset()
            self._filling = None

    def handle_data(self, data: str) -> None:
        """Note what is in a text, or an option."""
        if self._filling is not None:
            self._filling.text += data

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column
