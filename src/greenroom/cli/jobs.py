"""``greenroom jobs``: what follows from commits."""

import json

import click

from greenroom import times
from greenroom.cli.opening import with_services, with_services_to_read
from greenroom.cli.printing import print_table
from greenroom.registry import jobs
from greenroom.registry.permissions import OPERATOR
from greenroom.registry.unit_of_work import Services


@click.group("jobs")
def jobs_group() -> None:
    """What follows from commits and is not done yet."""


@jobs_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for scripts.")
@with_services_to_read
def jobs_list(services: Services, as_json: bool) -> None:
    """List every job that is not done, the oldest first."""
    with services.reading() as uow:
        unfinished = jobs.unfinished(uow)
    if as_json:
        click.echo(json.dumps([_job_as_json(job) for job in unfinished], indent=2))
    else:
        _print_jobs(unfinished)


def _job_as_json(job: jobs.Listed) -> dict[str, object]:
    return {
        "id": job.id,
        "kind": job.kind,
        "about": job.about,
        "state": job.state,
        "created": times.seconds(job.created),
        "attempts": job.attempts,
        "next-attempt": times.seconds(job.due) if job.state == "waiting" else None,
        "error": job.error or None,
    }


def _print_jobs(unfinished: list[jobs.Listed]) -> None:
    if not unfinished:
        click.echo("There are no jobs.")
        return
    print_table(
        ("ID", "Kind", "About", "State", "Attempts", "Next attempt (UTC)", "Error"),
        [
            (
                job.id,
                job.kind,
                job.about,
                job.state,
                job.attempts,
                f"{job.due:%Y-%m-%d %H:%M:%S}" if job.state == "waiting" else "",
                job.error,
            )
            for job in unfinished
        ],
    )


@jobs_group.command("retry")
@click.argument("job_id", metavar="ID", type=int)
@with_services
def jobs_retry(services: Services, job_id: int) -> None:
    """Try the job with this ID again now, also one that was given up."""
    with services.writing() as uow:
        job = jobs.retry(uow, OPERATOR, job_id)
    click.echo(
        f"Job {job.id} is running." if job.state == "running" else f"Job {job.id} is due now."
    )
