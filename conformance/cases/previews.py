"""What those see who have the address of a stage."""

import json
from html.parser import HTMLParser
from urllib.parse import urljoin

from conformance.client import Answer
from conformance.laboratory import Laboratory
from conformance.register import STATED, case
from conformance.scenes import arrival, file_url
from conformance.verdicts import NotApplicable, expect

_SECTION = "Staged Previews"
_SIMPLE = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"


@case(
    _SECTION,
    STATED,
    "the index will return views that expose the staged releases to the installer tool",
    "The stage URL can be passed to installers such as pip by setting the --extra-index-url",
    "it grants read-only preview access to any client that holds the token",
)
def stage_lists_the_file(lab: Laboratory) -> None:
    """The stage, as a simple index, lists a completed file for who has no credentials."""
    page, filename = _page(lab), lab.scene(arrival).upload.file.filename

    expect(page.status == 200, f"{page}, without credentials")
    expect(filename in _links(page), f"{filename} is not in {page}")


@case(
    _SECTION,
    STATED,
    "making them available to download and install into virtual environments",
)
def stage_gives_the_file(lab: Laboratory) -> None:
    """What the stage links to, without credentials, has the bytes that were sent."""
    page, file = _page(lab), lab.scene(arrival).upload.file
    url = _links(page).get(file.filename)
    if url is None:
        raise NotApplicable("the stage does not list the file")

    answer = lab.nobody.get(urljoin(page.url, url))

    expect(answer.ok, f"{answer}")
    expect(answer.content == file.content, f"the bytes of {answer} are not those that were sent")


@case(
    "Publishing Session Files",
    STATED,
    "This URL is used to retrieve, replace, or delete the referenced file",
)
def file_link_gives_the_file(lab: Laboratory) -> None:
    """The link of a completed file, with credentials, gives the bytes that were sent."""
    scene = lab.scene(arrival)
    file = scene.upload.file

    answer = lab.owner.get(file_url(lab, scene.session_completed, file.filename))

    expect(answer.ok, f"{answer}")
    expect(answer.content == file.content, f"the bytes of {answer} are not those that were sent")


def _page(lab: Laboratory) -> Answer:
    session = lab.scene(arrival).session
    if not session.has_link("stage"):
        raise NotApplicable("the index has no previews")
    stage = session.link("stage").rstrip("/")
    return lab.nobody.get(f"{stage}/{session.name}/", _SIMPLE)


def _links(page: Answer) -> dict[str, str]:
    """The files of a project's page of the simple API, and where they are."""
    if page.media_type.endswith("json"):
        listed = json.loads(page.content).get("files", [])
        return {file["filename"]: file["url"] for file in listed}
    parser = _Anchors()
    parser.feed(page.content.decode("utf-8", "replace"))
    return parser.found


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._href = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._href = (dict(attrs).get("href") or "") if tag == "a" else ""

    def handle_data(self, data: str) -> None:
        if self._href and data.strip():
            self.found[data.strip()] = self._href
            self._href = ""
