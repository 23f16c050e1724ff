"""``greenroom housekeeping``."""

import click

from greenroom.cli.opening import with_services
from greenroom.registry import housekeeping
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services


@click.command("housekeeping")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "--force", is_flag=True, help="Move to the trash what nobody refers to, however much it is."
)
@with_services
def keep_house(services: Services, dry_run: bool, force: bool) -> None:
    """Expire drafts, and move to the trash what nobody refers to.

    Safe to run at any time, by many at once. What is in the trash is deleted after
    GREENROOM_TRASH_DAYS; 'greenroom storage restore' brings it back before that.
    """
    if dry_run:
        _print_due(housekeeping.look(services, click.echo))
    else:
        _print_done(housekeeping.keep_house(services, click.echo, force=force, by=OPERATOR))


def _print_due(report: housekeeping.Report) -> None:
    click.echo(
        f"Nothing was done. Drafts to expire: {report.drafts_expired}. "
        f"Blobs to move to the trash: {report.blobs_freed}. "
        f"Blobs in the trash to be gone for good: {report.blobs_deleted}. "
        f"Stale uploads to remove: {report.stale_files_removed}."
    )


def _print_done(report: housekeeping.Report) -> None:
    click.echo(
        f"Drafts expired: {report.drafts_expired}. Blobs freed: {report.blobs_freed}. "
        f"Stale uploads removed: {report.stale_files_removed + report.uploads_cleared}."
    )
    if report.blobs_restored or report.blobs_deleted:
        click.echo(
            f"Brought back from the trash: {report.blobs_restored}. "
            f"Deleted from it: {report.blobs_deleted}."
        )
    if report.upstream_files:
        click.echo(f"Files of upstreams let go: {report.upstream_files}.")
