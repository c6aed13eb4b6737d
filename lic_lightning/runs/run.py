"""A run: one training and evaluation, one point on a curve, in a folder of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = "results.parquet"
WEIGHTS = "codec.safetensors"
LAST = Path("checkpoints") / "last.ckpt"
FAILED = "failed.txt"
COLUMNS = (
    *("cell", "curve", "curve_name", "reference", "codec", "category", "freeze", "objective", "lmbda", "seed"),
    "weights",
)  # of rows


@dataclass(frozen=True)
class Run:
    """Identity of a run; its fields are columns of each of its rows.

    Attributes:
        cell: hash of the config that matters; the folder's name in a sweep.
        curve: the same hash without λ and refinement: runs of equal `curve` are the points of one curve.
        refined_curve: that of what the run refines; "" where it refines nothing.
        reference: curve id of what the run is judged against; None where `reference=none`.
        weights, reference_weights: what they start from, by content (`identity.weights_id`).
        reference_codec, reference_padding: what the reference is, and how its pictures are padded.
        weights_name: of a file or run that the whole curve starts from; "" where λ or the codec's name says it.
    """

    folder: Path
    cell: str
    curve: str
    reference: str | None
    reference_name: str
    codec: str
    category: str
    freeze: str
    objective: str
    lmbda: float
    seed: int
    weights: str = ""
    weights_name: str = ""
    reference_weights: str = ""
    reference_codec: str = ""
    reference_padding: str = ""
    refined_curve: str = ""

    @property
    def curve_name(self) -> str:
        """How people call the curve."""
        return f"{self.codec} {self.category} {self.freeze} {self.weights_name}".rstrip()

    @property
    def name(self) -> str:
        """How people call the run."""
        return f"{self.curve_name} lmbda={self.lmbda:g} [{self.cell}]"

    @property
    def results(self) -> Path:
        """The run's rows; they exist if and only if the run is finished."""
        return self.folder / RESULTS

    @property
    def finished(self) -> bool:
        """True if the run has its rows."""
        return self.results.is_file()

    def columns(self) -> dict[str, Any]:
        """What every row of the run says of it."""
        return {"role": "tuned", **{name: getattr(self, name) for name in COLUMNS}}

    def reference_columns(self) -> dict[str, Any]:
        """What the reference's rows in the run's file say: a point of the anchor curve, whatever run asked for it."""
        return {
            **self.columns(),
            "role": "reference",
            "decoder_fingerprint": "",
            "decoder_claim": "untrained",
            **dict.fromkeys(("cell", "curve"), self.reference),
            "curve_name": self.reference_name,
            "reference": None,
            **dict.fromkeys(("category", "freeze"), ""),
            "seed": 0,
            "codec": self.reference_codec,
            "weights": self.reference_weights,
        }
