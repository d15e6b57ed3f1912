"""g: raw samples -> a 128-d unit vector. Level normalisation and filter bank are part of it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from qbe.learn.filterbank import DYNAMIC_RANGE_DB, FilterBank, level_normalised
from qbe.learn.settings import WIDTHS

BLOCK_COMPONENTS, PROJECTION_COMPONENTS = 96, 32
DIMENSION = BLOCK_COMPONENTS + PROJECTION_COMPONENTS
HIDDEN, PROJECTED = 512, 128  # units of the projection
OF_PROJECTION = 0.6  # how long its part of the embedding is, of the blocks' part
SUMMARISED = 2  # blocks, from the last one on, that the embedding is made of


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut (He et al., arXiv 1512.03385). [B, C, F, T] -> [B, C', F/s, T/s]."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = (
            nn.Identity()
            if inputs == outputs and stride == 1
            else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
        )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        return functional.relu(self.norm2(self.conv2(y)) + self.shortcut(x), inplace=True)


class Encoder(nn.Module):
    """A small ResNet over the scalogram: [B, 1, F, T] in dB -> [B, DIMENSION], unit norm.

    It learns by `projected`, which forgets whatever the loss asks it to. Other questions are better answered by what
    lies before that (Chen et al., arXiv 2002.05709). The embedding has both, more of the latter: components of
    the last blocks' maximum and deviation over time, and of `projected`, found when training is over.
    """

    def __init__(self, channels: int = 128, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.stem = nn.Sequential(
            nn.Conv2d(1, widths[0], 7, 4, 3, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(inplace=True)
        )  # fmt: skip
        inputs = (widths[0], *widths[:-1])
        self.blocks = nn.ModuleList(
            BasicBlock(i, o, 1 if k == 0 else 2) for k, (i, o) in enumerate(zip(inputs, widths, strict=True))
        )
        sizes = [width * channels // (4 * 2**k) for k, width in enumerate(widths)]
        self.projection = nn.Sequential(
            nn.Linear(sizes[-1], HIDDEN, bias=False), nn.BatchNorm1d(HIDDEN), nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, PROJECTED),
        )  # fmt: skip
        self.of_blocks = nn.Linear(2 * sum(sizes[-SUMMARISED:]), BLOCK_COMPONENTS).requires_grad_(False)
        self.of_projection = nn.Linear(PROJECTED, PROJECTION_COMPONENTS).requires_grad_(False)

    def activations(self, decibels: Tensor) -> list[Tensor]:
        """What every block gives: [B, 1, F, T] -> [B, width, F', T'] each."""
        x = self.stem(2 * decibels / DYNAMIC_RANGE_DB + 1)
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        return outputs

    def projected(self, decibels: Tensor) -> Tensor:
        """What the loss compares: [B, 1, F, T] -> [B, PROJECTED], unit norm."""
        return self._project(self.activations(decibels)[-1])

    def _project(self, last: Tensor) -> Tensor:
        """Time is pooled by mean and by maximum (an event may be short); frequency keeps its coarse position to the
        end."""
        return _unit(self.projection((last.mean(3) + last.amax(3)).flatten(1)))

    def features(self, decibels: Tensor) -> tuple[Tensor, Tensor]:
        """What the components are of: [B, 1, F, T] -> [B, of_blocks.in_features], [B, of_projection.in_features]."""
        outputs, pooled = self.activations(decibels), []
        for x in outputs[-SUMMARISED:]:
            deviation = ((x - x.mean(3, keepdim=True)) ** 2).mean(3).sqrt()
            pooled += [x.amax(3).flatten(1), deviation.flatten(1)]
        return torch.cat(pooled, 1), self._project(outputs[-1])

    def forward(self, decibels: Tensor) -> Tensor:
        blocks, projected = self.features(decibels)
        return _unit(
            torch.cat([_unit(self.of_blocks(blocks)), OF_PROJECTION * _unit(self.of_projection(projected))], 1)
        )


def _unit(vectors: Tensor) -> Tensor:
    """A hair above zero keeps the norm's gradient finite; unit norm holds to 1e-6."""
    return functional.normalize(vectors, dim=1)


class Network(nn.Module):
    """Samples [B, L], L a multiple of 1024 -> [B, DIMENSION], unit norm.

    The filter bank is frozen unless it is to be learned, from the wavelets on.
    """

    def __init__(self, *, learn_filterbank: bool = False, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        self.filterbank = FilterBank()
        self.filterbank.groups.requires_grad_(learn_filterbank)
        self.encoder = Encoder(widths=widths)

    def decibels(self, audio: Tensor) -> Tensor:
        """What the encoder sees: [B, L] -> [B, 1, F, T]."""
        return level_normalised(self.filterbank(audio))

    def forward(self, audio: Tensor) -> Tensor:
        embedding: Tensor = self.encoder(self.decibels(audio))
        return embedding
