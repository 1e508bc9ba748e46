"""What a user chooses about a library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from facecluster.identity.gate import Limits

if TYPE_CHECKING:  # NumPy is loaded when there is work to do
    from facecluster.durable.own_files import Link
    from facecluster.identity.rules import Rules, SamePhoto


@dataclass(frozen=True)
class ClusterOptions:
    """What a user may choose about clustering; None is the encoder's default, of `decisions` see `file_of`."""

    limits: Limits = Limits()
    gate: bool = True
    eps: float | None = None
    min_samples: int | None = None
    same_photo: SamePhoto = "prefer"
    link: Link = "copy"
    decisions: Path | None = None
    update: bool = False

    def rules(self, encoder: str) -> Rules:
        """Fill in what the encoder decides.

        Raises:
            TableError: an encoder nobody knows.
        """
        from facecluster.identity.rules import Rules

        return Rules.make(
            encoder,
            limits=self.limits,
            gate=self.gate,
            eps=self.eps,
            min_samples=self.min_samples,
            same_photo=self.same_photo,
        )
