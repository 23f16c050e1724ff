"""What became of an import."""

from msgspec import Struct, field


class Refused(Struct, frozen=True):
    """A file that was not taken.

    Attributes:
        where: where it is, for people.
        project: whose it is, None where nobody knows.
        code: stable, for programs.
        reasons: sentences.
    """

    where: str
    project: str | None
    code: str
    reasons: tuple[str, ...]


class Report(Struct):
    """What became of an import, and while it goes on, what has so far.

    Attributes:
        seen: files that the source has offered.
        imported: files that are public now; in a dry run, that would be.
        size: their bytes.
        historical: those among them that no upload would have brought.
        present: files that were there before.
        passed: files of the source that are no distributions.
        received: bytes that were read.
        seconds: how long it took.
        is_dry: whether nothing was written.
        aborted: why it was broken off; None where it went to its end.
    """

    is_dry: bool = False
    seen: int = 0
    imported: int = 0
    size: int = 0
    historical: int = 0
    present: int = 0
    passed: int = 0
    received: int = 0
    seconds: float = 0
    aborted: str | None = None
    refused: list[Refused] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Files of which it is known what became of them."""
        return self.imported + self.present + len(self.refused)

    def to_json(self) -> dict[str, object]:
        """For programs."""
        return {
            "dry-run": self.is_dry,
            "files": self.seen,
            "imported": self.imported,
            "bytes": self.size,
            "historical": self.historical,
            "present": self.present,
            "passed-over": self.passed,
            "seconds": round(self.seconds, 3),
            "aborted": self.aborted,
            "refused": [
                {
                    "file": refused.where,
                    "project": refused.project,
                    "code": refused.code,
                    "reasons": list(refused.reasons),
                }
                for refused in self.refused
            ],
        }
