"""Where published files are found."""

from urllib.parse import quote


def published_file_path(sha256: str, filename: str) -> str:
    """The path of a published file, relative to the root of the index, quoted, without a leading /.

    It is the digest of the content that makes it immutable: another content has another address.
    """
    return f"packages/{sha256[:2]}/{sha256[2:4]}/{sha256[4:]}/{quote(filename)}"
