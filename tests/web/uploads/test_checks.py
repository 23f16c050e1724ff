"""The checks that an upload goes through, in their order: the contract of ``POST /legacy/``.

``CLAUSES`` has a row for everything that is refused, under the number of its check, ``ACCEPTED``
one for what lies just on the other side. Each row is an upload that is right but for the one thing;
it is sent to publish and to stage, and each refusal in text and in JSON, on both databases. A
refusal has its status, its sentence in the status line and in the body, its code, and no effect.
"""

import io
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import pytest

from tests import factories, raw_tar
from tests.artifacts import make_metadata, make_sdist, make_wheel, tar_gz_of, zip_of
from tests.factories import PASSWORD
from tests.raw_zip import Zip, stored, streamed
from tests.web.conftest import Site, authorization
from tests.web.standing import KINDS, fetch, state, with_settings
from tests.web.uploads.uploading import (
    INVALID,
    Case,
    Stage,
    Upload,
    flagged,
    refused,
    set_stage,
    upload_of,
)

DIRECT, STAGED = "direct", "staged"
BOTH = (DIRECT, STAGED)
INVALID_FILE = "Invalid distribution file."


@pytest.fixture(scope="module", params=KINDS)
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    with set_stage(request, tmp_path_factory.mktemp("stage"), request.param) as stage:
        yield stage


@dataclass(frozen=True)
class Clause:
    """Something that is refused, by the check of this number.

    ``sentence`` is how the answer begins; what is wrong with a file is somewhere in its list.
    """

    check: int
    name: str
    make: Case
    status: int
    sentence: str
    code: str
    ways: tuple[str, ...] = BOTH
    settings: Mapping[str, object] = field(default_factory=dict)


# --- how an upload is made wrong ------------------------------------------------------------------


def saying(**values: str | bytes | None) -> Case:
    """The form says otherwise."""
    return lambda stage: stage.wheel().saying(**values)


def saying_twice(name: str) -> Case:
    return lambda stage: stage.wheel().saying(**{name: "x"}).also(name, "x")


def flag_in(place: str, value: str) -> Case:
    return lambda stage: flagged(stage.wheel(), place, value)


def sent_by(who: str) -> Case:
    """Somebody else sends it."""
    return lambda stage: stage.wheel().but(token=stage.tokens[who])


def sent_with(header: str) -> Case:
    """The credentials look like this."""
    return lambda stage: stage.wheel().but(token="", headers={"Authorization": header})


def with_password_of(user: str) -> Case:
    headers = authorization(PASSWORD, user)
    return lambda stage: stage.wheel().but(token="", headers=headers)


def of_project(name: str, who: str = "good") -> Case:
    """It is for the project of this name, which may not exist yet."""
    return lambda stage: stage.wheel(name, "1.0").but(token=stage.tokens[who])


def metadata(*fields: tuple[str, str], version: str = "2.4", **options: object) -> Case:
    """The file's own metadata says this."""
    given = {"metadata_extra": fields, "metadata_version": version} | options
    return lambda stage: stage.wheel(**given)  # type: ignore[arg-type]


def called(filename: str | None) -> Case:
    return lambda stage: stage.wheel().but(filename=filename)


def typed(content_type: str) -> Case:
    return lambda stage: stage.wheel().but(file_type=content_type)


def tagged(platform: str) -> Case:
    return called(f"example-3.0-py3-none-{platform}.whl")


def wheel_with(members: Mapping[str, bytes | None]) -> Case:
    """A wheel in which members are other, more or fewer than RECORD says."""
    return lambda stage: stage.wheel(overrides=members)


def altered(change: Callable[[bytes], bytes]) -> Case:
    """A wheel whose bytes were changed."""
    return lambda stage: stage.bytes_as(WHEEL_3, change(stage.wheel().content or b""))


def sdist_of(content: bytes) -> Case:
    return lambda stage: stage.bytes_as(SDIST_3, content)


def wheel_of(content: bytes) -> Case:
    return lambda stage: stage.bytes_as(WHEEL_3, content)


WHEEL_3 = "example-3.0-py3-none-any.whl"
SDIST_3 = "example-3.0.tar.gz"


def commented(wheel: bytes) -> bytes:
    target = io.BytesIO(wheel)
    with zipfile.ZipFile(target, "a") as archive:
        archive.comment = b"hidden"
    return target.getvalue()


def zip_with(*members: zipfile.ZipInfo | str, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a name that is there twice
        for member in members:
            archive.writestr(member, b"x" * 99)
    return target.getvalue()


def zip_link() -> bytes:
    link = zipfile.ZipInfo("example/link")
    link.external_attr = 0o120777 << 16
    return zip_with(link)


def tar_with(*members: tarfile.TarInfo) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return target.getvalue()


def tar_member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> bytes:
    member = tarfile.TarInfo(f"example-3.0/{name}")
    member.type, member.linkname = kind, target
    return tar_with(member)


def zip_bomb() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("example/zeros", b"\0" * (70 * 1024**2))
    return target.getvalue()


def tar_bomb() -> bytes:
    member = tarfile.TarInfo("example-3.0/zeros")
    member.size = 70 * 1024**2
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz", compresslevel=1) as archive:
        archive.addfile(member, io.BytesIO(bytes(member.size)))
    return target.getvalue()


ZIP_BOMB, TAR_BOMB = zip_bomb(), tar_bomb()


# --- what is refused ------------------------------------------------------------------------------

FORM, MISSING, METADATA, FILE = (
    "invalid-form",
    "missing-field",
    "invalid-metadata",
    "invalid-distribution",
)
NO_NAME, CLOSED, LARGE, EXISTS = (
    "name-not-available",
    "project-closed",
    "too-large",
    "file-exists",
)
MANY, FORBIDDEN, UNKNOWN = "too-many-requests", "not-allowed", "not-authenticated"

PROTOCOL_CLAUSES = [
    Clause(1, "unknown action", saying(action="x"), 400, "The :action has to be", FORM),
    Clause(1, "no action", saying(action=None), 400, "The :action has to be", FORM),
    Clause(1, "action UNKNOWN", saying(action="UNKNOWN"), 400, "The :action has to be", FORM),
    *(
        Clause(1, f"retired {name}", saying(action=name), 410, f"The action '{name}' is gone", code)
        for name, code in (
            ("submit", "retired-action"),
            ("submit_pkg_info", "retired-action"),
            ("doc_upload", "retired-action"),
        )
    ),
    *(
        Clause(
            1,
            f"protocol {version}",
            saying(protocol_version=version),
            400,
            "The protocol_version has to be 1.",
            FORM,
        )
        for version in ("2", "0", "1.0")
    ),
]

CREDENTIALS_CLAUSES = [
    *(
        Clause(2, f"token: {who}", sent_by(who), 403, INVALID, UNKNOWN)
        for who in ("empty", "unknown", "revoked")
    ),
    Clause(2, "token: expired", sent_by("expired"), 403, "This token expired on", UNKNOWN),
    Clause(
        2, "token: foreign", sent_by("foreign"), 403, "This is a token of another service", UNKNOWN
    ),
    *(
        Clause(2, f"header: {header!r}", sent_with(header), 403, INVALID, UNKNOWN)
        for header in ("Basic \xe9", "Basic !", "Bearer", "Digest a=b", "", "Bearer gr_\0")
    ),
    *(
        Clause(
            2,
            f"password of {user}",
            with_password_of(user),
            403,
            "Passwords cannot upload; use an API token",
            UNKNOWN,
        )
        for user in ("ada", "nobody")
    ),
    *(
        Clause(
            2,
            f"flag in the {place}",
            flag_in(place, "maybe"),
            400,
            f"The {what} is 'maybe': it has to be true or false.",
            FORM,
            ways=(DIRECT,),
        )
        for place, what in (
            ("field", "form field 'staged'"),
            ("query", "query parameter 'staged'"),
            ("header", "header 'X-PyPI-Is-Staged'"),
        )
    ),
    Clause(
        2,
        "flags that disagree",
        lambda s: flagged(flagged(s.wheel(), "field", "true"), "header", "false"),
        400,
        "This upload says both that it is staged and that it is not",
        FORM,
        ways=(DIRECT,),
    ),
]

FORM_CLAUSES = [
    *(
        Clause(
            3,
            f"{name} {what}",
            saying(**{name: value}),
            400,
            f"The form field '{name}' is missing",
            MISSING,
        )
        for name in ("name", "version", "filetype", "pyversion")
        for what, value in (("missing", None), ("UNKNOWN", "UNKNOWN"), ("blank", " "))
    ),
    *(
        Clause(
            3,
            f"{name} twice",
            saying_twice(name),
            400,
            f"The form field '{name}' is sent 2 times; once is enough.",
            FORM,
        )
        for name in (
            "name",
            "version",
            "filetype",
            "pyversion",
            "sha256_digest",
            "summary",
        )
    ),
    Clause(
        3, "text with NUL", saying(summary="a\0b"), 400, "The field 'summary' contains a NUL", FORM
    ),
    Clause(
        3, "name with NUL", saying(name="exam\0ple"), 400, "The field 'name' contains a NUL", FORM
    ),
    Clause(
        3, "text no UTF-8", saying(summary=b"\xff"), 400, "The field 'summary' is not UTF-8", FORM
    ),
    Clause(
        3,
        "text as a file",
        lambda s: s.wheel().saying(**{'summary"; filename="x': "text"}),
        400,
        "The field 'summary' must be text, and is sent as a file.",
        FORM,
    ),
    *(
        Clause(
            3,
            f"name {name!r}",
            saying(name=name),
            400,
            f"{name!r} is an invalid value for Name",
            METADATA,
        )
        for name in ("-example", "example_", "exam ple", "exam/ple", ".", "e" * 201)
        if len(name) <= 200
    ),
    Clause(
        3,
        "file type",
        saying(filetype="bdist_egg"),
        400,
        "The form field 'filetype' is 'bdist_egg': this index takes",
        FORM,
    ),
    Clause(
        3,
        "no digest",
        saying(sha256_digest=None),
        400,
        "The form has no digest of the file: send md5_digest, sha256_digest or blake2_256_digest.",
        MISSING,
    ),
    *(
        Clause(
            3,
            f"{name} of no digits",
            saying(**{name: "xyz"}),
            400,
            f"The form field '{name}' has to be",
            FORM,
        )
        for name in ("md5_digest", "sha256_digest", "blake2_256_digest")
    ),
]

LONG_LABEL = "x" * 33

# All but the first two are read in the file, whose metadata is what counts.
METADATA_CLAUSES = [
    Clause(
        4, "version", saying(version="one"), 400, "'one' is an invalid value for Version", METADATA
    ),
    Clause(
        4, "local version", saying(version="1+x"), 400, "The version '1+x' is a local", METADATA
    ),
    *(
        Clause(4, name, make, 400, f"{INVALID_FILE} {sentence}", FILE)
        for name, make, sentence in (
            (
                "metadata version",
                metadata(version="2.99"),
                "The metadata has Metadata-Version '2.99'; this index knows",
            ),
            (
                "field newer than the metadata version",
                metadata(("License-Expression", "MIT"), version="2.3"),
                "The metadata field License-Expression came with metadata version 2.4",
            ),
            (
                "summary of 513 characters",
                metadata(summary="x" * 513),
                "The Summary in the metadata is longer than 512 characters.",
            ),
            (
                "summary of two lines",
                metadata(summary="one\n        two"),
                "The Summary in the metadata has more than one line.",
            ),
            (
                "unknown classifier",
                metadata(("Classifier", "Topic :: Nonsense")),
                "The Classifier 'Topic :: Nonsense' in the metadata is not known.",
            ),
            (
                "deprecated classifier",
                metadata(("Classifier", "Natural Language :: Ukranian")),
                "The Classifier 'Natural Language :: Ukranian' in the metadata is deprecated; use",
            ),
            (
                "private classifier",
                metadata(("Classifier", "Private :: Do Not Upload")),
                "The Classifier 'Private :: Do Not Upload' marks a project that is not for",
            ),
            (
                "home page",
                metadata(("Home-Page", "javascript:alert(1)")),
                "The Home-Page 'javascript:alert(1)' in the metadata is not a valid",
            ),
            (
                "download URL",
                metadata(("Download-URL", "ftp://a.example/")),
                "The Download-URL 'ftp://a.example/' in the metadata is not a valid",
            ),
            (
                "project URL",
                metadata(("Project-URL", "Docs, x")),
                "The Project-URL 'Docs' in the metadata has 'x', which is not a valid",
            ),
            (
                "label of 33 characters",
                metadata(("Project-URL", f"{LONG_LABEL}, https://a.example/")),
                f"The Project-URL label '{LONG_LABEL}' in the metadata must have 1 to 32",
            ),
            (
                "license expression",
                metadata(("License-Expression", "Whatever I like")),
                "The License-Expression 'Whatever I like' in the metadata is not valid",
            ),
            (
                "direct reference",
                metadata(("Requires-Dist", "x @ https://a.example/x.whl")),
                "The Requires-Dist 'x @ https://a.example/x.whl' in the metadata refers to a URL",
            ),
            (
                "dynamic",
                metadata(("Dynamic", "Name")),
                "The Dynamic 'Name' in the metadata is no field that may be dynamic",
            ),
            (
                "dynamic of no field",
                metadata(("Dynamic", "Nonsense")),
                "The Dynamic 'Nonsense' in the metadata is no field that may be dynamic",
            ),
            (
                "description",
                metadata(description=":nope:`x`", description_content_type="text/x-rst"),
                "The description does not render as reStructuredText",
            ),
            (
                "description that declares nothing",
                metadata(description=":nope:`x`"),
                "The description does not render as reStructuredText",
            ),
            (
                "description of an unknown type",
                metadata(description="x", description_content_type="text/html"),
                "The Description-Content-Type 'text/html' in the metadata is not known",
            ),
            (
                "requirement",
                metadata(("Requires-Dist", "x >> 1")),
                "The Requires-Dist 'x >> 1' in the metadata is not valid",
            ),
            *(
                (
                    f"{field} {value}",
                    metadata((field, value)),
                    f"The {field} in the metadata has {shown!r}, which is no e-mail address",
                )
                for field in ("Author-email", "Maintainer-email")
                for value, shown in (("Foo <test>", "test"), ("Ada", "Ada"))
            ),
            *(
                (
                    f"{field} of a URL",
                    metadata((field, "x @ https://a.example/x.whl")),
                    f"The {field} 'x @ https://a.example/x.whl' in the metadata refers to a URL",
                )
                for field in ("Provides-Dist", "Obsoletes-Dist")
            ),
            (
                "requires-python",
                metadata(requires_python="three"),
                "The Requires-Python 'three' in the metadata is not valid",
            ),
        )
    ),
]

NEW_PROJECT_CLAUSES = [
    Clause(
        5, "standard library", of_project("json"), 400, "The name 'json' isn't allowed: it", NO_NAME
    ),
    Clause(
        5,
        "any spelling",
        saying(name="AsyncIO"),
        400,
        "The name 'AsyncIO' isn't allowed: it",
        NO_NAME,
    ),
    Clause(
        5,
        "configured",
        of_project("acme-core"),
        400,
        "The name 'acme-core' isn't allowed on this index.",
        NO_NAME,
        settings={"prohibited_names": ["Acme.Core", "other"]},
    ),
    *(
        Clause(
            5,
            f"similar {name}",
            of_project(name),
            400,
            f"The name '{name}' is too similar to that of an existing project{other}: choose",
            NO_NAME,
        )
        for name, other in (
            ("examp1e", ", 'example'"),
            ("exampie", ", 'example'"),
            ("exam-ple", ", 'example'"),
            ("c1osed", ", 'closed'"),
            ("cl0sed", ", 'closed'"),
            ("sus-pect", ", 'suspect'"),
            ("reserve-d", ""),  # nobody is told of a name that only a draft holds
        )
    ),
    *(
        Clause(
            5,
            f"deleted {name}",
            of_project(name),
            400,
            f"The name '{name}' {what}",
            NO_NAME,
        )
        for name, what in (
            ("departed", "is that of a project that was deleted."),
            ("de-parted", "looks like that of a project that was deleted, 'departed'."),
        )
    ),
    Clause(
        5,
        "unverified address",
        of_project("fresh", "newcomer"),
        403,
        "The user 'newcomer' has no verified e-mail address",
        FORBIDDEN,
    ),
    Clause(
        5,
        "token of a project",
        of_project("fresh", "of another project"),
        403,
        "This API token may not register the new project 'fresh'",
        FORBIDDEN,
    ),
    Clause(
        5,
        "token that may not publish",
        of_project("fresh", "stage only"),
        403,
        "This API token may not register the new project 'fresh'",
        FORBIDDEN,
        ways=(DIRECT,),
    ),
    Clause(
        5,
        "names per hour",
        of_project("fresh"),
        429,
        "The user 'ada' registered 1 project names within an hour",
        MANY,
        settings={"new_projects_per_hour": 1},
    ),
    Clause(
        5,
        "names per day",
        of_project("fresh"),
        429,
        "The user 'ada' registered 2 project names within a day",
        MANY,
        settings={"new_projects_per_day": 2},
    ),
    Clause(
        5,
        "uploads per hour",
        of_project("fresh"),
        429,
        "The user 'ada' uploaded 1 file within an hour",
        MANY,
        settings={"uploads_per_hour": 1},
    ),
]

PERMISSION_CLAUSES = [
    Clause(
        6,
        "archived",
        of_project("shelved"),
        400,
        "The project 'shelved' is archived and takes no files: an owner can take it out",
        CLOSED,
    ),
    Clause(
        6,
        "in quarantine",
        of_project("suspect"),
        400,
        "The project 'suspect' is in quarantine and takes no files: ask an administrator",
        CLOSED,
    ),
    *(
        Clause(
            6,
            f"stranger, {name}",
            of_project(name, "eve"),
            403,
            f"The user 'eve' isn't allowed to upload to project '{name}'. Ask an owner",
            FORBIDDEN,
        )
        for name in ("shelved", "suspect", "strict", "reserved")
    ),
    Clause(
        6,
        "stranger",
        sent_by("eve"),
        403,
        "The user 'eve' isn't allowed to upload to project 'example'. Ask an owner",
        FORBIDDEN,
    ),
    *(
        Clause(
            6,
            f"token: {who}",
            sent_by(who),
            403,
            "This API token of the user 'ada' isn't allowed to upload to project 'example'.",
            FORBIDDEN,
        )
        for who in ("publish only", "of another project")
    ),
    Clause(
        6,
        "token that may not publish",
        sent_by("stage only"),
        403,
        "This API token of the user 'ada' isn't allowed to upload to project 'example' without "
        "staging: it may stage but not publish. Add ?staged=true",
        FORBIDDEN,
        ways=(DIRECT,),
    ),
    Clause(
        6,
        "uploads per hour",
        saying(),
        429,
        "The user 'ada' uploaded 1 file within an hour",
        MANY,
        settings={"uploads_per_hour": 1},
    ),
]

CONTENT_CLAUSES = [
    Clause(7, "no file", lambda s: s.wheel().but(content=None), 400, "The form has no file", FORM),
    *(
        Clause(
            7,
            f"file name {name!r}",
            called(name),
            400,
            "The field 'content' must be a file and have a file name.",
            FORM,
        )
        for name in (None, "")
    ),
    Clause(
        7,
        "two files",
        lambda s: s.wheel().also('content"; filename="x', "x"),
        400,
        "The form has more than one field 'content'.",
        FORM,
    ),
    *(
        Clause(
            7,
            kind,
            typed(kind),
            400,
            "The file is sent as an image",
            FILE,
        )
        for kind in ("image/png", "Image/SVG+xml; charset=utf-8")
    ),
    Clause(7, "empty", lambda s: s.wheel().but(content=b""), 400, "The file is empty.", FILE),
    Clause(
        7,
        "file size",
        lambda s: s.wheel(payload=b"x" * 5000),
        400,
        "File too large. This index takes files of at most 1 KiB.",
        LARGE,
        settings={"max_file_size": "1KiB"},
    ),
    Clause(
        7,
        "project size",
        lambda s: s.wheel(payload=b"x" * 5000),
        400,
        "Project size too large. All files of a project together",
        LARGE,
        settings={"max_project_size": "1KiB"},
    ),
]

DIGEST_CLAUSES = [
    Clause(
        8,
        name,
        saying(**{name: "0" * length}),
        400,
        f"The digest supplied ({name.removesuffix('_digest')}) does not match the digest",
        "wrong-digest",
    )
    for name, length in (("md5_digest", 32), ("sha256_digest", 64), ("blake2_256_digest", 64))
]

PLACE_CLAUSES = [
    Clause(
        9,
        "same name, other bytes",
        lambda s: s.wheel(version="1.0", salt="x"),
        400,
        "File already exists: 'example-1.0-py3-none-any.whl' is published with other content",
        EXISTS,
    ),
    Clause(
        9,
        "same bytes, other name",
        lambda s: s.wheel(version="1.0").but(filename="example-1.0-1-py3-none-any.whl"),
        400,
        "File already exists: the same content is published under the name",
        EXISTS,
    ),
    Clause(
        9,
        "name of a deleted file",
        lambda s: s.wheel(version="0.9"),
        400,
        "This filename has already been used, use a different version.",
        EXISTS,
    ),
    *(
        Clause(
            9,
            f"open draft, {name}",
            make,
            400,
            "A draft of example 2.0 is open, and this upload does not say that it belongs to it.",
            "draft-open",
            ways=(DIRECT,),
        )
        for name, make in (
            ("another file", lambda s: s.wheel(version="2.0", tag="cp311-cp311-win32")),
            ("another spelling", lambda s: s.wheel(version="2.0.0", tag="cp311-cp311-win32")),
            ("the very file", lambda s: s.wheel(version="2.0")),
            ("flag says false", lambda s: s.wheel(version="2.0").but(query="staged=false")),
        )
    ),
    Clause(
        9,
        "drafts only",
        lambda s: s.wheel("strict", "1.1"),
        400,
        "The project 'strict' publishes through drafts only.",
        "drafts-only",
        ways=(DIRECT,),
    ),
    Clause(
        10,
        "closed release",
        lambda s: s.wheel("past", "1.0"),
        400,
        "The release 1.0 takes no more files: it was published on",
        "release-closed",
    ),
    Clause(
        10,
        "closed release with a draft",
        lambda s: s.wheel("closed", "1.0", tag="cp311-cp311-win32"),
        400,
        "The release 1.0 takes no more files: it was published on",
        "release-closed",
        ways=(STAGED,),
    ),
    Clause(
        11,
        "second sdist",
        lambda s: s.sdist(version="1.0.0"),
        400,
        "Only one source distribution per release: 1.0 has 'example-1.0.tar.gz', which is "
        "published and stays. Use a different version.",
        "second-sdist",
    ),
]

ARCHIVE_CLAUSES = [
    Clause(12, name, make, 400, f"{INVALID_FILE} {sentence}", FILE)
    for name, make, sentence in (
        # File names
        ("ending .zip", called("example-3.0.zip"), "The file name 'example-3.0.zip' ends neither"),
        ("ending .tgz", called("example-3.0.tgz"), "The file name 'example-3.0.tgz' ends neither"),
        ("ending .egg", called("example-3.0.egg"), "The file name 'example-3.0.egg' ends neither"),
        (
            "sdist in capitals",
            lambda s: s.sdist().but(filename="Example-3.0.tar.gz"),
            "The file name should begin with 'example' rather than 'Example'",
        ),
        (
            "sdist with a dash",
            lambda s: s.sdist("new-name").but(filename="new-name-3.0.tar.gz"),
            "The file name should begin with 'new_name' rather than 'new-name'",
        ),
        (
            "sdist with a dot",
            lambda s: s.sdist("new-name").but(filename="new.name-3.0.tar.gz"),
            "The file name should begin with 'new_name' rather than 'new.name'",
        ),
        (
            "sdist, version not canonical",
            lambda s: s.sdist().but(filename="example-3.00.tar.gz"),
            "The version in the file name should be written '3.0' rather than '3.00'",
        ),
        (
            "wheel in capitals",
            called("Example-3.0-py3-none-any.whl"),
            "The file name should begin with 'example' rather than 'Example'",
        ),
        (
            "wheel, version not canonical",
            called("example-v3.0-py3-none-any.whl"),
            "The version in the file name should be written '3.0' rather than 'v3.0'",
        ),
        (
            "wheel, build without a digit",
            called("example-3.0-a1-py3-none-any.whl"),
            "The build tag 'a1' in the file name must begin with a digit",
        ),
        (
            "wheel of one linux machine",
            tagged("linux_x86_64"),
            "The platform tag 'linux_x86_64' fits only the machine it was built on.",
        ),
        *(
            (f"tag {tag}", tagged(tag), f"The platform tag '{tag}' is not supported")
            for tag in (
                "manylinux_x86_64",
                "manylinux3_x86_64",
                "musllinux_x86_64",
                "macosx_arm64",
                "freebsd_14_amd64",
                "android_arm64",
                "ios_arm64",
                "pyodide_wasm32",
                "anything",
            )
        ),
        # What form, file name and file say
        (
            "form of another name",
            saying(name="fresh-name"),
            "The file is of the project 'example', the form says 'fresh-name'.",
        ),
        (
            "form of another version",
            saying(version="3.1"),
            "The file is of the version 3.0, the form says 3.1.",
        ),
        (
            "form of another type",
            saying(filetype="sdist", pyversion="source"),
            "The file is of the type 'bdist_wheel', the form says 'sdist'.",
        ),
        (
            "form of a wheel",
            lambda s: s.sdist().saying(filetype="bdist_wheel", pyversion="py3"),
            "The file is of the type 'sdist', the form says 'bdist_wheel'.",
        ),
        (
            "file name of another project",
            called("other-3.0-py3-none-any.whl"),
            "The file name is for the project 'other', but the metadata inside is for 'example'.",
        ),
        (
            "file name of another version",
            called("example-3.1-py3-none-any.whl"),
            "The file name is for version '3.1', but the metadata inside is for '3.0'.",
        ),
        # What a source distribution has
        (
            "no PKG-INFO",
            lambda s: s.sdist(overrides={"PKG-INFO": None}),
            "The source distribution has no PKG-INFO in its folder 'example-3.0'.",
        ),
        (
            "two top folders",
            sdist_of(tar_gz_of({"example-3.0/PKG-INFO": b"", "other/x": b""})),
            "The source distribution must have exactly one folder at its top",
        ),
        (
            "file beside the top folder",
            sdist_of(tar_gz_of({"example-3.0/PKG-INFO": b"", "x": b""})),
            "The source distribution must have exactly one folder at its top",
        ),
        (
            "License-File that an sdist lacks",
            lambda s: s.sdist(metadata_extra=[("License-File", "LICENSE")], metadata_version="2.4"),
            "The License-File 'LICENSE' of the metadata is missing",
        ),
        # What a wheel has
        *(
            (
                f"no {name}",
                wheel_with({f"{{dist_info}}/{name}": None}),
                f"The wheel has no {name} in its folder 'example-3.0.dist-info'.",
            )
            for name in ("METADATA", "WHEEL", "RECORD")
        ),
        (
            "no .dist-info",
            wheel_of(zip_of({"example/x": b""})),
            "The wheel must have exactly one .dist-info folder, but has 0",
        ),
        (
            "two .dist-info",
            wheel_with({"other-1.0.dist-info/METADATA": b""}),
            "The wheel must have exactly one .dist-info folder, but has 2",
        ),
        (
            "member that RECORD lacks",
            wheel_with({"example/new.py": b""}),
            "The member 'example/new.py' is not listed in RECORD.",
        ),
        (
            "member that RECORD knows otherwise",
            wheel_with({"example/__init__.py": b"changed"}),
            "The hash of the member 'example/__init__.py' is not the one in RECORD.",
        ),
        (
            "member that only RECORD has",
            wheel_with({"example/__init__.py": None}),
            "RECORD lists 'example/__init__.py', which the wheel does not have.",
        ),
        (
            "License-File that a wheel lacks",
            metadata(("License-File", "LICENSE")),
            "The License-File 'LICENSE' of the metadata is missing; it should be at "
            "'example-3.0.dist-info/licenses/LICENSE'.",
        ),
        (
            "entry points",
            lambda s: s.wheel(extra_files={"{dist_info}/entry_points.txt": b"nonsense"}),
            "entry_points.txt cannot be parsed",
        ),
        (
            "script with a blank in its name",
            lambda s: s.wheel(
                extra_files={"{dist_info}/entry_points.txt": b"[gui_scripts]\nfoo bar = x:y\n"}
            ),
            "The script 'foo bar' in entry_points.txt has no name that a command can have",
        ),
        (
            "WHEEL for something else",
            lambda s: s.wheel(
                extra_files={"{dist_info}/WHEEL": b"Wheel-Version: 1.0\nTag: py2-none-any\n"}
            ),
            "WHEEL contradicts the file name: it lacks 'py3-none-any' and has 'py2-none-any'.",
        ),
        # What an archive is
        ("no zip", wheel_of(b"no zip" * 99), "The file is not a zip archive"),
        ("no tar", sdist_of(b"no tar" * 99), "The file is not a gzipped tar archive"),
        ("truncated zip", altered(lambda wheel: wheel[:-30]), "The file is not a zip archive"),
        (
            "truncated tar",
            lambda s: s.bytes_as(SDIST_3, (s.sdist().content or b"")[:-30]),
            "The archive is truncated.",
        ),
        ("data before a zip", altered(lambda wheel: b"#!" + wheel), "The zip archive has data"),
        (
            "data after a zip",
            altered(lambda wheel: wheel + b"x"),
            "The zip archive is truncated or",
        ),
        ("zip comment", altered(commented), "The zip archive"),
        (
            "data descriptors",
            wheel_of(Zip([streamed(stored("example/__init__.py"))]).to_bytes()),
            "The member 'example/__init__.py' was written with its sizes behind it, in a data",
        ),
        (
            "data after a tar",
            lambda s: s.bytes_as(SDIST_3, (s.sdist().content or b"") + b"x"),
            "The file has data after the end of its gzip stream.",
        ),
        (
            "tar and zip at once",
            lambda s: s.bytes_as(SDIST_3, (s.sdist().content or b"") + zip_of({})),
            "The file is or ends in a zip archive; sdists are .tar.gz.",
        ),
        (
            "directory and headers of a zip disagree",
            altered(lambda wheel: wheel.replace(b"example/__init__", b"example/__1nit__", 1)),
            "The directory of the zip archive and the header of the member",
        ),
        (
            "other compression",
            wheel_of(zip_with("example/x", method=zipfile.ZIP_LZMA)),
            "The member 'example/x' ",
        ),
        (
            "zip member twice",
            wheel_of(zip_with("example/x", "example/x")),
            "The archive has more than one member 'example/x'.",
        ),
        (
            "tar member twice",
            sdist_of(tar_with(*[tarfile.TarInfo("example-3.0/x")] * 2)),
            "The archive has more than one member 'example-3.0/x'.",
        ),
        ("zip member outside", wheel_of(zip_with("../x")), "The member '../x' leads outside"),
        ("tar member outside", sdist_of(tar_gz_of({"a/../../x": b""})), "The member 'a/../../x'"),
        ("absolute member", sdist_of(tar_gz_of({"/x": b""})), "The member '/x' has an absolute"),
        ("link in a zip", wheel_of(zip_link()), "The member 'example/link' is a symbolic link"),
        *(
            (
                f"symbolic link to {target}",
                sdist_of(tar_member("x", tarfile.SYMTYPE, target)),
                f"The member 'example-3.0/x' is a symbolic link to '{target}', which",
            )
            for target in ("/etc/passwd", "../../x", "../not-there")
        ),
        (
            "hard link",
            sdist_of(tar_member("x", tarfile.LNKTYPE, "example-3.0/y")),
            "The member 'example-3.0/x' is a hard link",
        ),
        (
            "device",
            sdist_of(tar_member("x", tarfile.CHRTYPE)),
            "The member 'example-3.0/x' is a device",
        ),
        ("zip bomb", wheel_of(ZIP_BOMB), "The archive unpacks to more than 50 times"),
        ("tar bomb", sdist_of(TAR_BOMB), "The archive unpacks to more than 50 times"),
    )
]

CLAUSES = [
    *PROTOCOL_CLAUSES,
    *CREDENTIALS_CLAUSES,
    *FORM_CLAUSES,
    *METADATA_CLAUSES,
    *NEW_PROJECT_CLAUSES,
    *PERMISSION_CLAUSES,
    *CONTENT_CLAUSES,
    *DIGEST_CLAUSES,
    *PLACE_CLAUSES,
    *ARCHIVE_CLAUSES,
]


@pytest.mark.parametrize(
    ("clause", "way"),
    [
        pytest.param(clause, way, id=f"{clause.check} {clause.name}, {way}")
        for clause in CLAUSES
        for way in clause.ways
    ],
)
def test_what_a_check_refuses_is_refused_with_its_sentence_and_without_effect(
    stage: Stage, clause: Clause, way: str
) -> None:
    site = with_settings(stage.site, **clause.settings) if clause.settings else None

    said = refused(
        stage,
        sent(clause.make(stage), way),
        clause.status,
        clause.sentence,
        code=clause.code,
        site=site,
    )

    assert said.startswith(clause.sentence) or clause.sentence.startswith(INVALID_FILE)
    assert ("already exist" in said.lower()) == said.startswith("File already exists")


def sent(upload: Upload, way: str) -> Upload:
    """The upload, with the flag when it is to stage."""
    if way == DIRECT:
        return upload
    return upload.but(query="&".join(filter(None, [upload.query, "staged=true"])))


def test_every_check_has_its_rows() -> None:
    assert {clause.check for clause in CLAUSES} == set(range(1, 13))
    names = [(clause.check, clause.name) for clause in CLAUSES]
    assert len(set(names)) == len(names)


def test_a_name_that_may_not_be_known_of_is_refused_like_any_that_is_taken(stage: Stage) -> None:
    def sentence(name: str) -> str:
        upload = stage.wheel(name, "9.0").but(token=stage.tokens["eve"])
        return refused(stage, upload, 403, "isn't allowed to upload").replace(name, "NAME")

    assert sentence("reserved") == sentence("example")


def test_words_of_others_cannot_pass_for_a_file_that_is_there(stage: Stage) -> None:
    """Clients that are told to skip what is there look for words, wherever they come from."""
    words = "File already exists"
    for upload in (
        stage.wheel().saying(name=words),
        stage.wheel().saying(version="Already  Exists"),
        stage.wheel().saying(filetype="already exist"),
        stage.wheel().saying(staged="already exist"),
        stage.wheel().but(filename=f"{words}.whl"),
        stage.wheel(metadata_extra=[("Classifier", words)]),
        stage.wheel(metadata_extra=[("Project-URL", f"{words}, {words}")]),
        stage.wheel(overrides={f"example/{words}": b""}),
    ):
        refused(stage, upload, 400, "")


# --- the order ------------------------------------------------------------------------------------

BROKEN = b"no archive"

# Each makes any upload wrong for one check, and leaves the others to what it was before.
SPOILED: dict[int, tuple[Callable[[Stage, Upload], Upload], int, str]] = {
    1: (
        lambda stage, upload: upload.saying(protocol_version="2"),
        400,
        "The protocol_version has to be 1.",
    ),
    2: (lambda stage, upload: upload.but(token=stage.tokens["unknown"]), 403, INVALID),
    3: (
        lambda stage, upload: upload.saying(filetype="bdist_egg"),
        400,
        "The form field 'filetype' is 'bdist_egg'",
    ),
    4: (
        lambda stage, upload: upload.saying(version="one"),
        400,
        "'one' is an invalid value for Version",
    ),
    5: (lambda stage, upload: upload.saying(name="json"), 400, "The name 'json' isn't allowed"),
    6: (
        lambda stage, upload: upload.but(token=stage.tokens["eve"]),
        403,
        "The user 'eve' isn't allowed to upload",
    ),
    7: (lambda stage, upload: upload.but(file_type="image/png"), 400, "The file is sent as an"),
    8: (
        lambda stage, upload: upload.saying(sha256_digest="0" * 64),
        400,
        "The digest supplied (sha256) does not match",
    ),
}

# Whether there is a place depends on name and version, so that these are made, not spoiled.
PLACED: dict[tuple[int, ...], tuple[Case, str]] = {
    (9,): (lambda s: s.wheel(version="1.0", salt="x"), "File already exists"),
    (9, 10): (lambda s: s.sdist("past", "1.0", salt="x"), "File already exists"),
    (9, 11): (
        lambda s: s.sdist(version="1.0").but(filename="example-1.0.0.tar.gz"),
        "File already exists",
    ),
    (9, 12): (
        lambda s: s.bytes_as("example-1.0-py3-none-any.whl", BROKEN),
        "File already exists",
    ),
    (10,): (lambda s: s.wheel("past", "1.0"), "The release 1.0 takes no more files"),
    (10, 11): (lambda s: s.sdist("past", "1.0.0"), "The release 1.0 takes no more files"),
    (10, 12): (
        lambda s: s.bytes_as("past-1.0-py3-none-any.whl", BROKEN),
        "The release 1.0 takes no more files",
    ),
    (11,): (lambda s: s.sdist(version="1.0.0"), "Only one source distribution"),
    (11, 12): (
        lambda s: s.bytes_as("example-1.0.0.tar.gz", BROKEN),
        "Only one source distribution",
    ),
    (12,): (lambda s: s.bytes_as(SDIST_3, BROKEN), INVALID_FILE),
}


PAIRS = [
    (first, second)
    for first, second in combinations(range(1, 13), 2)
    if (first, second) != (5, 6)  # a project exists or it does not
]


@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("way", BOTH)
@pytest.mark.parametrize("content_first", [False, True], ids=["file last", "file first"])
def test_of_two_checks_the_earlier_one_answers(
    stage: Stage, first: int, second: int, way: str, content_first: bool
) -> None:
    if second in SPOILED:
        upload = SPOILED[second][0](stage, stage.wheel())
    else:
        make, sentence = PLACED[(second,) if first in SPOILED else (first, second)]
        upload, status = make(stage), 400
    if first in SPOILED:
        spoil, status, sentence = SPOILED[first]
        upload = spoil(stage, upload)
    if content_first and (first, second) == (1, 2):
        # A body is not read to its end for somebody who cannot say who it is.
        status, sentence = 403, INVALID

    refused(stage, sent(upload, way).but(content_first=content_first), status, sentence)


# Within check 9, whose parts have an order too.
PARTS_OF_9: dict[str, tuple[Case, str]] = {
    "published, then an open draft": (
        lambda s: s.sdist("closed", "1.0", salt="x"),
        "File already exists",
    ),
    "an open draft, then the closed release": (
        lambda s: s.wheel("closed", "1.0", tag="cp311-cp311-win32"),
        "A draft of closed 1.0 is open",
    ),
    "an open draft, then the archive": (
        lambda s: s.bytes_as("example-2.0.tar.gz", BROKEN),
        "A draft of example 2.0 is open",
    ),
    "drafts only, then the archive": (
        lambda s: s.bytes_as("strict-3.0.tar.gz", BROKEN),
        "The project 'strict' publishes through drafts only.",
    ),
}


@pytest.mark.parametrize("case", PARTS_OF_9)
def test_what_is_there_is_told_in_this_order(stage: Stage, case: str) -> None:
    make, sentence = PARTS_OF_9[case]

    assert refused(stage, make(stage), 400, sentence).startswith(sentence)


def test_a_file_that_is_too_large_comes_after_who_may_and_before_its_digest(stage: Stage) -> None:
    site = with_settings(stage.site, max_file_size="1KiB")
    large = stage.wheel(payload=b"x" * 5000).saying(sha256_digest="0" * 64)

    refused(stage, large, 400, "File too large.", site=site)
    refused(stage, large.but(token=stage.tokens["eve"]), 403, "isn't allowed to upload", site=site)


def test_what_is_published_is_refused_only_to_those_who_may_not_upload(stage: Stage) -> None:
    upload = stage.wheel(version="1.0").but(token=stage.tokens["eve"])

    refused(stage, upload, 403, "isn't allowed to upload")


# --- what is accepted -----------------------------------------------------------------------------

Make = Callable[[Path, str], Upload]


def sdist_in(folder_name: str) -> Make:
    def make(folder: Path, token: str) -> Upload:
        path = make_sdist(folder)
        content = tar_gz_of({f"{folder_name}/PKG-INFO": make_metadata(metadata_version="2.2")})
        path.write_bytes(content)
        return upload_of(path, token)

    return make


def sdist_with_links(folder: Path, token: str) -> Upload:
    path = make_sdist(folder)
    members = [
        raw_tar.member("example-1.0/PKG-INFO", make_metadata(metadata_version="2.2")),
        raw_tar.member("example-1.0/README"),
        raw_tar.symlink("example-1.0/docs/README", "../README"),
        raw_tar.hardlink("example-1.0/README.txt", "example-1.0/README"),
    ]
    path.write_bytes(raw_tar.zipped(*members))
    return upload_of(path, token)


def wheel(**options: object) -> Make:
    return lambda folder, token: upload_of(make_wheel(folder, **options), token)  # type: ignore[arg-type]


def sdist(**options: object) -> Make:
    return lambda folder, token: upload_of(make_sdist(folder, **options), token)  # type: ignore[arg-type]


def wheel_saying(**values: str | None) -> Make:
    return lambda folder, token: wheel()(folder, token).saying(**values)


def of_metadata(*fields: tuple[str, str], version: str = "2.5", **options: object) -> Make:
    return wheel(metadata_extra=fields, metadata_version=version, **options)


def queried(query: str, **values: str | None) -> Make:
    return lambda folder, token: wheel_saying(**values)(folder, token).but(query=query)


def for_platform(platform: str) -> Make:
    return wheel(tag=f"cp312-cp312-{platform}")


ACCEPTED: dict[str, Make] = {
    "1 no protocol version": wheel_saying(protocol_version=None),
    "1 protocol version UNKNOWN": wheel_saying(protocol_version="UNKNOWN"),
    "1 action in the query": queried(":action=file_upload", action=None),
    "2 bearer": lambda folder, token: wheel()(folder, "").but(
        headers={"Authorization": f"Bearer {token}"}
    ),
    "3 UNKNOWN": wheel_saying(summary="UNKNOWN", license="UNKNOWN", md5_digest="UNKNOWN"),
    "3 another spelling": wheel_saying(name="Example"),
    "3 space around": wheel_saying(name=" example ", version=" 1.0 "),
    **{
        f"3 pyversion {python}": wheel_saying(pyversion=python)
        for python in ("py3", "3", "3.11", "2.7", "cp39", "any", "source")
    },
    **{
        f"3 sdist for {python}": lambda folder, token, python=python: (  # type: ignore[misc]
            sdist()(folder, token).saying(pyversion=python)
        )
        for python in (None, "source", "3.11", "py3")
    },
    "3 fields that nobody knows": wheel_saying(colour="green"),
    "3 file as a signature": lambda folder, token: wheel()(folder, token).also(
        'gpg_signature"; filename="x.asc', b"\xff"
    ),
    **{
        f"4 metadata {version}": of_metadata(version=version)
        for version in ("1.0", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6")
    },
    "4 summary of 512 characters": of_metadata(summary="x" * 512),
    "4 label of 32 characters": of_metadata(("Project-URL", "x" * 32 + ", https://a.example/")),
    "4 license expression": of_metadata(("License-Expression", "MIT OR Apache-2.0")),
    "4 license expression and classifier": of_metadata(
        ("License-Expression", "MIT"), ("Classifier", "License :: OSI Approved :: MIT License")
    ),
    "4 license expression and license": of_metadata(
        ("License-Expression", "MIT"), ("License", "MIT License")
    ),
    "4 license classifier": of_metadata(
        ("Classifier", "License :: OSI Approved :: MIT License"), ("License", "MIT")
    ),
    "4 home page with a blank": of_metadata(("Home-page", "https://a.example/my project")),
    "4 project URL with a blank": of_metadata(("Project-URL", "Docs, https://a.example/a b")),
    "4 addresses": of_metadata(("Author-email", '"B, A" <a@a.example>, Bob <b@a.example>')),
    "4 provides and obsoletes": of_metadata(("Provides-Dist", "x (>=1)"), ("Obsoletes-Dist", "y")),
    "4 dynamic": of_metadata(("Dynamic", "Requires-Dist")),
    "4 imports": of_metadata(("Import-Name", "example"), ("Import-Namespace", "example.parts")),
    "4 unknown field": of_metadata(("Colour", "green")),
    "4 version of another spelling": wheel_saying(version="1.0.0"),
    "4 description": of_metadata(description="*x*", description_content_type="text/x-rst"),
    "4 broken description of another type": of_metadata(
        description=":nope:`x`", description_content_type="text/markdown"
    ),
    "4 form that says otherwise": wheel_saying(
        summary="x" * 600, metadata_version="99", classifiers="Nonsense", requires_python="three"
    ),
    "8 digest in capitals": lambda folder, token: (upload := wheel()(folder, token)).saying(
        sha256_digest=str(dict(upload.fields)["sha256_digest"]).upper()
    ),
    "12 sdist": sdist(),
    "12 sdist with links to its members": sdist_with_links,
    "12 sdist of a normalized name": sdist(name="Example.Project-x", version="1.0"),
    "12 sdist with a folder of another name": sdist_in("whatever"),
    "12 build tag": wheel(build="1"),
    "12 empty License-File": of_metadata(
        ("License-File", "LICENSE"), extra_files={"{dist_info}/licenses/LICENSE": b""}
    ),
    "12 entry points": wheel(
        extra_files={"{dist_info}/entry_points.txt": b"[console_scripts]\nx = example:x\n"}
    ),
    **{
        f"12 {platform}": for_platform(platform)
        for platform in (
            "any",
            "manylinux1_x86_64",
            "manylinux2010_i686",
            "manylinux2014_aarch64",
            "manylinux_2_28_x86_64",
            "manylinux_2_17_x86_64.manylinux2014_x86_64",
            "musllinux_1_2_x86_64",
            "macosx_11_0_arm64",
            "macosx_10_9_universal2",
            "win32",
            "win_amd64",
            "win_arm64",
            "android_24_arm64_v8a",
            "ios_13_0_arm64_iphoneos",
            "ios_13_0_arm64_iphonesimulator",
            "pyemscripten_2026_0_wasm32",
            "Win_amd64",
            "ANY",
        )
    },
}


@pytest.mark.parametrize("case", ACCEPTED)
@pytest.mark.parametrize("way", BOTH)
def test_what_a_check_lets_through_is_published_or_staged(
    site: Site, tmp_path: Path, case: str, way: str
) -> None:
    site.user()

    response = sent(ACCEPTED[case](tmp_path, site.token()), way).send(site)

    assert response.status_int == (200 if way == DIRECT else 201), response.status
    listed = fetch(site, "/simple/").text
    assert (">example" in listed) == (way == DIRECT)


@pytest.mark.parametrize("name", ["md5", "sha256", "blake2_256"])
@pytest.mark.parametrize("way", BOTH)
def test_one_digest_is_enough(site: Site, tmp_path: Path, name: str, way: str) -> None:
    site.user()
    path = make_wheel(tmp_path)
    digest: str = getattr(factories.artifact_of(path), name)
    upload = upload_of(path, site.token()).saying(sha256_digest=None)

    response = sent(upload.saying(**{f"{name}_digest": digest}), way).send(site)

    assert response.status_int in (200, 201)


PRIVATE: dict[str, Make] = {
    "wheel of one linux machine": wheel(tag="py3-none-linux_x86_64"),
    "wheel of one release of pyodide": wheel(tag="py3-none-pyodide_2024_0_wasm32"),
    "local version": wheel(version="1.0+local"),
    "local version, sdist": sdist(version="1.0+local.1"),
    "direct reference": wheel(metadata_extra=[("Requires-Dist", "x @ https://a.example/x.whl")]),
    "private classifier": wheel(metadata_extra=[("Classifier", "Private :: Do Not Upload")]),
}


@pytest.mark.parametrize("case", PRIVATE)
@pytest.mark.parametrize("way", BOTH)
def test_a_private_index_takes_what_a_public_one_does_not(
    site: Site, tmp_path: Path, case: str, way: str
) -> None:
    site.user()
    upload = sent(PRIVATE[case](tmp_path, site.token()), way)

    assert upload.send(site).status_int == 400
    assert upload.send(with_settings(site, policy="private")).status_int in (200, 201)


@pytest.mark.parametrize("way", BOTH)
def test_what_is_published_with_these_bytes_is_accepted_and_changes_nothing(
    stage: Stage, way: str
) -> None:
    before = state(stage.site)

    response = sent(stage.wheel(version="1.0"), way).send(stage.site)

    assert response.status_int == 200
    assert state(stage.site) == before


@pytest.mark.parametrize("way", BOTH)
def test_a_release_takes_files_for_as_long_as_it_is_open(
    site: Site, tmp_path: Path, way: str
) -> None:
    site.user()
    upload_of(make_sdist(tmp_path), site.token()).send(site)
    site.clock.advance(timedelta(days=14))

    response = sent(upload_of(make_wheel(tmp_path), site.token()), way).send(site)

    assert response.status_int in (200, 201)
