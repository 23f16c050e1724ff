"""``greenroom storage``: whether the files are there, and mending them."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from greenroom.cli.failures import fail
from greenroom.cli.opening import opened, prepare_database, with_services
from greenroom.cli.printing import progress_bar
from greenroom.counts import counted
from greenroom.registry import known_blobs, storage_identity, trash, verification
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services
from greenroom.registry.web_copies import WebCopy
from greenroom.storage import BlobSource, open_copy


@click.group()
def storage() -> None:
    """The files."""


@storage.command("verify")
@click.option("--quick", is_flag=True, help="Compare sizes only, and read nothing.")
@click.option(
    "--repair-from",
    metavar="PATH|URL",
    help="Replace what is missing or wrong from a copy: a folder, s3://bucket/prefix, or the "
    "https:// address of an index or a list of files.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for scripts.")
@with_services
def storage_verify(services: Services, quick: bool, repair_from: str | None, as_json: bool) -> None:
    """Say whether the files are what the database says; exit status 1 when one is not.

    What has another content is put aside, so that nobody gets it; uploading it again mends it.
    """
    source: BlobSource | WebCopy | None = None
    if repair_from is not None and repair_from.startswith(("http://", "https://")):
        source = WebCopy(repair_from)
    elif repair_from is not None:
        endpoint = services.settings.s3_endpoint
        source = open_copy(repair_from, services.storage.incoming, s3_endpoint=endpoint)
    with _progress(services, quick=quick) as progress:
        findings = verification.verify(
            services, quick=quick, source=source, progress=progress, by=OPERATOR
        )
    if as_json:
        click.echo(json.dumps(_findings_as_json(findings), indent=2))
    else:
        _print_findings(findings)
    if findings.unrepaired:
        sys.exit(1)


@contextmanager
def _progress(services: Services, *, quick: bool) -> Iterator[verification.Progress]:
    """Blobs of all, or bytes of all."""
    blobs, size = known_blobs.count(services.database.reading)
    with progress_bar() as bar:
        bar.begin("Verifying", blobs if quick else size)
        yield lambda done, read: bar.advance(done if quick else read)


def _findings_as_json(findings: verification.Findings) -> dict[str, object]:
    def damages(*, missing: bool) -> list[dict[str, object]]:
        return [
            {
                "sha256": damage.digest,
                "filename": damage.filename,
                "reason": damage.reason,
                "repaired": damage.is_repaired,
            }
            for damage in findings.damages
            if damage.is_missing == missing
        ]

    return {
        "checked": findings.checked,
        "missing": damages(missing=True),
        "wrong": damages(missing=False),
        "unknown": findings.unknown,
    }


def _print_findings(findings: verification.Findings) -> None:
    for damage in findings.damages:
        repaired = " It was repaired." if damage.is_repaired else ""
        click.echo(f"{damage.filename} ({damage.digest}): {damage.reason}{repaired}")
    for digest in findings.unknown:
        click.echo(f"{digest}: Nobody refers to it.")
    missing = sum(damage.is_missing for damage in findings.damages)
    click.echo(
        f"Blobs checked: {findings.checked}. Missing: {missing}. "
        f"Wrong: {len(findings.damages) - missing}. Unknown: {len(findings.unknown)}. "
        f"Repaired: {len(findings.damages) - len(findings.unrepaired)}."
    )


@storage.command("restore")
@click.option("--all", "everything", is_flag=True, help="Also what nobody refers to.")
@with_services
def storage_restore(services: Services, everything: bool) -> None:
    """Bring back from the trash what the database refers to."""
    restored = trash.restore(services, OPERATOR, everything=everything)
    click.echo(f"Blobs brought back from the trash: {restored}.")


@storage.command("adopt")
def storage_adopt() -> None:
    """Bind the storage to the database, whatever either was bound to; asks for confirmation."""
    with opened(may_begin=True, check=None) as services:
        prepare_database(services)
        bond = storage_identity.look(services)
        if bond.is_bound:
            click.echo(f"The storage {bond.address} belongs to this database already.")
            return
        click.echo(_described(bond))
        if not _confirms_adoption():
            fail("Nothing was changed: only 'adopt' confirms it.")
        storage_identity.adopt(services, OPERATOR)
    click.echo(f"The storage {bond.address} belongs to this database now.")


def _described(bond: storage_identity.Bond) -> str:
    held = "is empty" if bond.is_empty else "has files"
    owner = "is marked as another database's" if bond.is_marked else "is not marked"
    return (
        f"The storage {bond.address} {held} and {owner}. Of "
        f"{counted(bond.looked_for, 'file')} that the database knows, {bond.found} "
        f"{'is' if bond.found == 1 else 'are'} there. Housekeeping moves files that it does not "
        "know to the trash."
    )


def _confirms_adoption() -> bool:
    answer: str = click.prompt("Type 'adopt' to bind it to this database", err=True)
    return answer.strip() == "adopt"
