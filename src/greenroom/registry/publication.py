"""Making files public: the one place where it happens, for drafts and for direct uploads."""

from collections.abc import Sequence

from greenroom.models import File, Project, PublishedName, Release
from greenroom.registry import journal, search
from greenroom.registry.index import Index
from greenroom.registry.permissions import Actor


def make_public(
    index: Index, actor: Actor, project: Project, release: Release, files: Sequence[File]
) -> None:
    """Register the project, publish the release and these files of it, and write the journal.

    From then on search finds it. What is registered or published already stays as it is. Every
    check was made before, under the project's lock, which the caller holds.
    """
    registering = []
    if project.registered is None:
        project.registered = index.now
        registering = ["create"]
        registering += [f"add {role.name.title()} {role.user.username}" for role in project.roles]
    releasing = []
    if release.published is None:
        release.published = index.now
        releasing = ["new release"]
    for file in files:
        index.session.add(file)
        file.draft_id = None
        file.published = index.now
        index.session.add(PublishedName(filename=file.filename, sha256=file.sha256))
        releasing.append(f"add {file.python_tag} file {file.filename}")
    search.update(index, project)
    if registering:
        journal.append(index, project, None, registering, actor.name)
    if releasing:
        journal.append(index, project, release.version, releasing, actor.name)
