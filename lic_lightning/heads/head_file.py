"""A trained head in one file: its weights, how to build it, its classes, and which codec's latents it reads."""

from dataclasses import asdict, dataclass
from pathlib import Path

from torch import nn

from lic_lightning.codecs.described import described, load_described
from lic_lightning.files import write_atomically
from lic_lightning.heads.cresnet import CResNet
from lic_lightning.heads.resnet import HeadError, PixelResNet
from lic_lightning.heads.view import View

HEAD = "head.safetensors"  # in a run's folder
KINDS: dict[str, type[nn.Module]] = {"latents": CResNet, "pixels": PixelResNet}
KEY = "lic_lightning.head"


@dataclass(frozen=True)
class HeadInfo:
    """What a head must know of its training to be used.

    Attributes:
        classes: names, in the order of the logits.
        view: of latents, or of pixels.
        image_size: short side of the images that were coded, in pixels.
        codec: name; "" where the head saw originals.
        decoder_fingerprint: of the decoder whose latents or images it saw; "" likewise.
        weights: of that codec, as `codec.weights` names them; a file beside the head's where the codec has trained.
        lmbda: of that codec.
    """

    classes: tuple[str, ...]
    view: View
    image_size: int
    codec: str = ""
    decoder_fingerprint: str = ""
    weights: str = "none"
    lmbda: float = 0.0


def save_head(path: Path, head: nn.Module, info: HeadInfo) -> None:
    """Writes a head, whole or not at all."""
    kind = next(kind for kind, build in KINDS.items() if isinstance(head, build))
    about = {"kind": kind, "settings": head.settings, "info": asdict(info)}
    write_atomically(path, described(head.state_dict(), KEY, about))


def load_head(path: Path) -> tuple[nn.Module, HeadInfo]:
    """A head in eval mode, from a run's folder or a file. Nothing in the file is executed.

    Raises:
        FileNotFoundError: no such file, or a folder without a head.
        HeadError: not a head's file.
    """
    path = path / HEAD if path.is_dir() else path
    about, state = load_described(path, KEY, "head", HeadError, "recognize")
    head = KINDS[about["kind"]](**about["settings"])
    head.load_state_dict(state)
    info = {**about["info"], "classes": tuple(about["info"]["classes"]), "view": View(**about["info"]["view"])}
    return head.eval(), HeadInfo(**info)
