"""``greenroom backup`` and ``greenroom restore``."""

import json
import sys

import click

from greenroom.cli.locks import stopped
from greenroom.cli.opening import opened, with_services
from greenroom.cli.printing import print_table, progress_bar
from greenroom.counts import counted
from greenroom.registry import backup_snapshots, backups, restoring
from greenroom.registry.backup_snapshots import Snapshot
from greenroom.registry.unit_of_work import Services
from greenroom.storage import open_backup


@click.command("backup")
@click.argument("destination", metavar="DEST")
@click.option("--keep", type=click.IntRange(1), metavar="N", help="Keep the last N snapshots only.")
@click.option("--verify", is_flag=True, help="Read what is there, and copy again what is damaged.")
@click.option("--list", "only_list", is_flag=True, help="List the snapshots that are there.")
@click.option("--s3-endpoint", metavar="URL", help="The service of the bucket, if another one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON value, for scripts.")
@with_services
def backup(
    services: Services,
    destination: str,
    keep: int | None,
    verify: bool,
    only_list: bool,
    s3_endpoint: str | None,
    as_json: bool,
) -> None:
    """Copy the database to DEST, and the files that are not there yet, while the index runs.

    DEST is a folder, or s3://bucket/prefix; what was backed up there before stays.
    Exit status 1 when a file of the index is missing or damaged: the rest is copied then, and no
    older snapshot is removed.
    """
    endpoint = s3_endpoint or services.settings.s3_endpoint
    if only_list:
        place = open_backup(destination, services.settings.files, s3_endpoint=endpoint)
        _print_snapshots(backup_snapshots.all_of(place), as_json=as_json)
        return
    with progress_bar() as progress:
        made = backups.back_up(
            services, destination, backups.Wish(keep, verify, endpoint), progress
        )
    _print_made(made, as_json=as_json)
    if made.lost:
        sys.exit(1)


def _print_made(made: backups.Made, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_backup_as_json(made), indent=2))
        return
    _print_lost(made.lost)
    click.echo(
        f"Snapshot {made.snapshot.name}: {counted(made.snapshot.blobs, 'file')}, of which "
        f"{made.copied} {'was' if made.copied == 1 else 'were'} copied "
        f"({counted(made.copied_size, 'byte')})."
    )
    if made.removed_snapshots:
        click.echo(
            f"Snapshots removed: {', '.join(made.removed_snapshots)}; files that only they "
            f"had: {made.removed_blobs}."
        )
    click.echo(_secrets_sentence(backup_snapshots.SECRET_KEY in made.snapshot.files))


def _secrets_sentence(has_key: bool) -> str:
    key = (
        "The key that signs sessions is in it."
        if has_key
        else "The key that signs sessions is not in it: it is a setting, which is yours to keep."
    )
    return f"{key} Keep it as you keep the index: it has drafts, and the digests of passwords."


def _print_snapshots(found: list[Snapshot], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_snapshot_as_json(snapshot) for snapshot in found], indent=2))
    elif not found:
        click.echo("There are no snapshots.")
    else:
        print_table(
            ("Snapshot", "Database", "Version", "Files", "Bytes", "Lost"),
            [(s.name, s.database, s.version, s.blobs, s.size, len(s.lost)) for s in found],
        )


def _snapshot_as_json(snapshot: Snapshot) -> dict[str, object]:
    return {
        "name": snapshot.name,
        "database": snapshot.database,
        "version": snapshot.version,
        "files": snapshot.blobs,
        "bytes": snapshot.size,
        "lost": snapshot.lost,
    }


def _backup_as_json(made: backups.Made) -> dict[str, object]:
    return {
        "snapshot": made.snapshot.name,
        "files": made.snapshot.blobs,
        "copied": made.copied,
        "copied-bytes": made.copied_size,
        "lost": _lost_as_json(made.lost),
        "removed-snapshots": made.removed_snapshots,
        "removed-files": made.removed_blobs,
        "secret-key": backup_snapshots.SECRET_KEY in made.snapshot.files,
    }


def _lost_as_json(lost: list[backups.Lost]) -> list[dict[str, object]]:
    return [
        {"sha256": each.digest, "filename": each.filename, "reason": each.reason} for each in lost
    ]


def _print_lost(lost: list[backups.Lost]) -> None:
    for each in lost:
        click.echo(f"{each.filename} ({each.digest}): {each.reason}")


@click.command("restore")
@click.argument("source", metavar="SOURCE")
@click.option("--snapshot", metavar="NAME", help="Which snapshot; the newest by default.")
@click.option("--list", "only_list", is_flag=True, help="List the snapshots that are there.")
@click.option("--s3-endpoint", metavar="URL", help="The service of the bucket, if another one.")
@click.option("--json", "as_json", is_flag=True, help="One JSON value, for scripts.")
def restore(
    source: str, snapshot: str | None, only_list: bool, s3_endpoint: str | None, as_json: bool
) -> None:
    """Restore the backup in SOURCE into an empty index, or go on where that was interrupted.

    SOURCE is a folder, or s3://bucket/prefix, that 'greenroom backup' has written to.
    Exit status 1 when a file is missing in the backup: all others are there then.
    """
    with opened(may_begin=True, check=None) as services:
        endpoint = s3_endpoint or services.settings.s3_endpoint
        place = open_backup(source, services.settings.files, s3_endpoint=endpoint)
        if only_list:
            _print_snapshots(backup_snapshots.all_of(place), as_json=as_json)
            return
        with stopped(services), progress_bar() as progress:
            restored = restoring.restore(services, place, snapshot, _confirms_restore, progress)
    _print_restored(restored, as_json=as_json)
    if restored.lost:
        sys.exit(1)


def _print_restored(restored: restoring.Restored, *, as_json: bool) -> None:
    if as_json:
        found = {
            "snapshot": restored.snapshot.name,
            "files": restored.snapshot.blobs,
            "copied": restored.copied,
            "lost": _lost_as_json(restored.lost),
            "secret-key": restored.has_key,
        }
        click.echo(json.dumps(found, indent=2))
        return
    _print_lost(restored.lost)
    key = "" if restored.has_key else " People have to sign in again, unless you kept the key."
    click.echo(
        f"Restored the snapshot {restored.snapshot.name}. Files: {restored.snapshot.blobs}. "
        f"Missing: {len(restored.lost)}.{key}"
    )


def _confirms_restore(sentence: str) -> bool:
    click.echo(sentence, err=True)
    answer: str = click.prompt("Type 'restore' to use it", err=True)
    return answer.strip() == "restore"
