"""Recognition at the end of its training: accuracy beside rate and PSNR, one row per test image."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytorch_lightning as lightning
from pytorch_lightning.loggers import WandbLogger
from rich.console import Console
from rich.markdown import Markdown
from torch import Tensor, nn

from lic_lightning.callbacks.judged import decoder_columns, load_best
from lic_lightning.codecs.fingerprint import decoder_fingerprint
from lic_lightning.codecs.registry import spec
from lic_lightning.codecs.weights import save_state
from lic_lightning.data.latent_store import Coded, code, decoded_image, decoded_latents
from lic_lightning.data.recognition import RecognitionData
from lic_lightning.evaluation.answers import Answer, Examiner, labelled, original_row
from lic_lightning.evaluation.evaluate import Settings, for_coding
from lic_lightning.evaluation.image_row import Row
from lic_lightning.evaluation.point import digest, reference_rows, tuned_rows, untrained
from lic_lightning.evaluation.results import read_rows, write_rows
from lic_lightning.files import write_atomically
from lic_lightning.heads.head_file import HEAD, HeadInfo, save_head
from lic_lightning.heads.view import View
from lic_lightning.modules.head_module import JointModule
from lic_lightning.reports.latents_figure import FIGURE, Example, latents_figure
from lic_lightning.reports.recognition import recognition_table
from lic_lightning.runs.run import WEIGHTS, Run

EXAMPLES = 4  # rows of the figure


class RecognitionPoint(lightning.Callback):
    """Puts the best weights to the test split, once: rows, head, figure, table.

    Args:
        run: identity and folder.
        start: the codec as it was loaded: a frozen one, or what decodes the strings of an encoder that trained; None
            for originals.
        curve_name: parts of the name that tables call the run's curve by; one that repeats counts once.
        codec_name: of `start`.
        start_weights: of it, as `codec.weights` names them.
        view: of features, as the head learns from them.
        image_size: short side of the images that are coded, in pixels.
        settings: how images are coded and judged.
        cache: folder of the rows of a frozen codec.
    """

    def __init__(
        self,
        run: Run,
        start: nn.Module | None,
        curve_name: Sequence[str],
        codec_name: str,
        start_weights: str,
        view: View,
        image_size: int,
        settings: Settings,
        cache: str | Path,
    ) -> None:
        self.run, self.curve_name = run, " ".join(dict.fromkeys(curve_name))
        self.settings, self.cache, self.codec = settings, Path(cache), None if start is None else for_coding(start)
        self.info = HeadInfo((), view, image_size)
        if self.codec is not None:
            fingerprint = decoder_fingerprint(self.codec, spec(codec_name).roles)
            self.info = replace(
                self.info, codec=codec_name, decoder_fingerprint=fingerprint, weights=start_weights, lmbda=run.lmbda
            )

    def on_fit_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """On the first process only; an interrupted training records nothing."""
        if trainer.interrupted or not trainer.is_global_zero:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        load_best(trainer, module)
        head = module.get_submodule("head").cpu().eval()
        codec, decoder, info = self.codec, None, replace(self.info, classes=data.classes)
        claimed = {"decoder_fingerprint": ""} if codec is None else untrained(info.decoder_fingerprint)
        if isinstance(module, JointModule):
            codec = for_coding(module.codec)
            decoder = None if module.freeze_policy.claim(module.codec, module.roles) == "moves" else self.codec
            claimed = decoder_columns(trainer, module, decoder)
            save_state(codec, self.run.folder / WEIGHTS)
            info = replace(info, decoder_fingerprint=claimed["decoder_fingerprint"], weights=WEIGHTS)
        save_head(self.run.folder / HEAD, head, info)
        answers = list(self._answers(data, codec, head))
        columns = {**self.run.columns(), "curve_name": self.curve_name, **claimed}
        rows = self._image_rows(data, codec, decoder, columns)
        write_rows(self.run.results, labelled(rows, answers, info.classes))
        if codec is not None and data.source != "decoded":
            figure = latents_figure(list(self._examples(data, codec, answers)))
            write_atomically(self.run.folder / FIGURE, figure)
        self._tell(trainer)

    def _image_rows(
        self, data: RecognitionData, codec: nn.Module | None, decoder: nn.Module | None, columns: Row
    ) -> list[Row]:
        images = data.images("test")
        named = {data.classification.name: images}
        if codec is None:
            columns = {**columns, "test_set": data.classification.name, "test_set_digest": digest(images)}
            samples = (images.dataset[index] for index in range(len(images)))
            return [
                {**columns, **original_row(s.name, s.image.size(1), s.image.size(2), images.nbytes(index))}
                for index, s in enumerate(samples)
            ]
        if data.source == "joint":
            return tuned_rows(codec, named, self.run.codec, self.settings, decoder, columns)
        return reference_rows(codec, named, self.run.codec, self.settings, self.cache, columns)

    def _answers(self, data: RecognitionData, codec: nn.Module | None, head: nn.Module) -> Iterable[Answer]:
        ask = Examiner(head, self.info.view)
        images = data.images("test")
        stride = 0 if codec is None else spec(self.run.codec).stride
        for index, name in enumerate(images.names):
            if codec is None:
                sample = images[index]
                height, width = sample.image.shape[1:]
                yield ask(name, sample.label or 0, (height, width), partial(_as_features, sample.image))
                continue
            coded = self._coded(data, codec, index)
            if data.source == "decoded":
                read = partial(_decode_image, coded, codec, stride)
            else:
                read = partial(decoded_latents, coded, codec, stride)
            yield ask(name, coded.label, (coded.height, coded.width), read)

    def _coded(self, data: RecognitionData, codec: nn.Module, index: int) -> Coded:
        """The strings of a test image: from the store, or of the codec that has trained."""
        if data.store is None:
            return code(data.images("test"), index, codec, self.run.codec, data.padding)
        return data.store[data.store.names.index(data.classification.splits["test"][index])]

    def _examples(self, data: RecognitionData, codec: nn.Module, answers: list[Answer]) -> Iterable[Example]:
        images, classes, stride = data.images("test"), data.classes, spec(self.run.codec).stride
        step = max(1, len(answers) // EXAMPLES)
        for index in range(0, len(answers), step)[:EXAMPLES]:
            said = answers[index]
            seen = decoded_latents(self._coded(data, codec, index), codec, stride)
            right = said.order[0] == said.label
            truth = "" if right else f"\nis {classes[said.label]}"
            caption = f"{classes[said.order[0]]} {100 * said.probability:.0f} %{truth}"
            yield Example(images[index].image, seen["y_hat"][0], seen["scales"][0], caption, right)

    def _tell(self, trainer: lightning.Trainer) -> None:
        rows = read_rows(self.run.results)
        table = recognition_table(rows)
        write_atomically(self.run.folder / "recognition.md", table.encode())
        Console().print(Markdown(table))
        means = rows.select(pl.col("top1", "top5", "bpp", "psnr", "label_s", "label_kmac").mean()).row(0, named=True)
        metrics = {f"test/{name}": value for name, value in means.items() if value is not None}
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                _to_wandb(logger, metrics, self.run.folder / FIGURE)
            else:
                logger.log_metrics(metrics)
                logger.save()


def _decode_image(coded: Coded, codec: nn.Module, stride: int) -> dict[str, Tensor]:
    return _as_features(decoded_image(coded, codec, stride))


def _as_features(image: Tensor) -> dict[str, Tensor]:
    return {"image": image[None].float() / 255}


def _to_wandb(logger: WandbLogger, metrics: dict[str, float], figure: Path) -> None:
    import wandb

    images = {figure.stem: wandb.Image(str(figure))} if figure.is_file() else {}
    logger.experiment.log({**metrics, **images})
    logger.experiment.summary.update(metrics)
