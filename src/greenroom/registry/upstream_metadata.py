"""What metadata files of upstreams (PEP 658) say that files are judged by."""

from greenroom.distributions.errors import InvalidDistribution
from greenroom.distributions.metadata import MAX_METADATA, salvage_metadata
from greenroom.other_indexes.pages import PageFile
from greenroom.registry import upstream_licenses, upstream_usage
from greenroom.registry.unit_of_work import UnitOfWork
from greenroom.registry.upstream_files import KeptFile
from greenroom.registry.upstream_policy import Policy, Refused


def judge(uow: UnitOfWork, policy: Policy, file: PageFile, kept: KeptFile) -> Refused | None:
    """Why a file is not let in by what its metadata says; None where it is.

    What it says is noted, so that pages tell it, too.

    Args:
        uow: with the storage that has the metadata file.
        policy: what is asked of the file.
        file: which.
        kept: its metadata file.

    Raises:
        BlobMissing: the metadata file is lost.
        StorageUnavailable: it cannot be read.
    """
    expression = ""
    if kept.size <= MAX_METADATA:
        with uow.storage.open(kept.sha256) as blob:
            content = b"".join(blob)
        try:
            expression = upstream_licenses.expression_of(salvage_metadata(content))
        except InvalidDistribution:  # nothing is said that can be read
            expression = ""
    upstream_usage.PENDING.note_license(policy.upstream, policy.project, file.filename, expression)
    return policy.under_another_license(file, expression)
