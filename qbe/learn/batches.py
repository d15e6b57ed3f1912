"""Pairs by the batch, made where the network learns: whole batches of places, deformations, scalograms at once.

The counterpart of `qbe.learn.triplets`, which makes pairs one by one on the CPU, with more that may happen to a sound:
rooms, microphones, bands, backgrounds. Both views of a pair are recordings of something, so both may have them. What
happens how often is the recipe's matter; of a table of kinds come factors to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qbe.audio.segmentation import SAMPLE_RATE, WINDOW
from qbe.learn.channels import BENDS, CURVE_DB, Colours, Rooms, chosen, draw_band, random
from qbe.learn.filterbank import CHANNELS, HOP, FilterBank, level_normalised
from qbe.learn.pool import Places, Pool
from qbe.learn.settings import Settings
from qbe.learn.shifting import resample, resize_frames
from qbe.learn.synthesis import families
from qbe.learn.triplets import sources

SLOWEST = 0.5  # the product of stretch and resampling, at least: so much longer is what is read for a shifted view
LONG = round(WINDOW / SLOWEST)
SIZES = {WINDOW: 32_768, LONG: 49_152}  # of transforms that hold a sound and a room
MARGIN = 1024  # samples around what is resampled
FADE_IN, FADE_OUT = 32, 80  # samples at the ends of a piece
PIECE, LEAD = (0.1, 0.8), (0.04, 0.5)  # s
ROOM_TONE = 0.5  # the chance of noise around a piece


@dataclass(frozen=True)
class Scalograms:
    """decibels : [2 B, 1, F, T], anchors and then their positives; sources : [B], which file or folder each pair is
    from"""

    decibels: Tensor
    sources: Tensor


@dataclass(frozen=True)
class _Spoken:
    """Sounds that are to be recorded, float32 [n, L], and what decides how: the chance of the background under each
    [n], a factor to all other chances [n], and which ones surely get a curve, or noise, bool [n]."""

    sound: Tensor
    background: Tensor
    factor: Tensor
    curved: Tensor
    piece: Tensor


class Batches:
    """Batch number `step`, `count` pairs, which depends on the seed and on `step` alone.

    rooms : impulse responses at SAMPLE_RATE, float32 [n] each, beside those that are made here
    """

    def __init__(self, pool: Pool, settings: Settings, rooms: Sequence[NDArray[np.float32]] = ()) -> None:
        recipe = settings.recipe
        self.pool, self.recipe, self.count, self.seed = pool, recipe, settings.batch, settings.seed
        self.device, self.reach = pool.device, round(settings.near * SAMPLE_RATE)
        of_file = sources(pool.corpus, settings)
        self.sources = torch.tensor(of_file[pool.corpus.runs["file"]], device=self.device)
        self.bank = FilterBank().to(self.device)
        self.generator = torch.Generator(self.device)
        self.rooms = Rooms(rooms, list(SIZES.values()), self.device)
        self.colours = {size: Colours(size, self.device) for size in SIZES.values()}
        self.span = math.ceil(WINDOW * recipe.max_stretch) + MARGIN
        self.shifted = round(recipe.shifted * self.count)
        self.synthetic = min(round(recipe.synthetic * self.count), self.count - self.shifted)

    @torch.no_grad()
    def __getitem__(self, step: int) -> Scalograms:
        self.generator.manual_seed(self.seed * 1_000_003 + step)
        anchor = self.pool.draw(self.count, self.generator)
        positive = self._positives(anchor)
        plain = Places.joined(anchor, positive[self.shifted :])
        recorded = self.power(self._recorded(self._plain(anchor, plain)))
        shifted = self._shifted_power(anchor[: self.shifted], positive[: self.shifted])
        power = torch.cat([recorded[: self.count], shifted, recorded[self.count :]])
        return Scalograms(level_normalised(power), self._numbered(self.sources[anchor.run]))

    def _numbered(self, sources: Tensor) -> Tensor:
        """Synthesised pairs, which stand at the end, are each from a source of their own."""
        if self.synthetic:
            sources[-self.synthetic :] = -1 - torch.arange(self.synthetic, device=self.device)
        return sources

    def power(self, sound: Tensor) -> Tensor:
        """[B, L] -> [B, 1, F, T]"""
        power: Tensor = self.bank(sound)
        return power

    def _positives(self, anchor: Places) -> Places:
        """Elsewhere in the file, or, of those that are not to be shifted, in a file beside it."""
        recipe, g = self.recipe, self.generator
        near = self.pool.near(anchor, self.reach, g)
        positive = near.where(chosen(self.count, recipe.proximity, g), anchor)
        beside, there = self.pool.neighbours(anchor, g)
        free = self.count - self.shifted
        wanted = chosen(self.count, recipe.neighbour * self.count / max(1, free), g)
        wanted[: self.shifted] = False
        return beside.where(there & wanted, positive)

    def _plain(self, anchor: Places, plain: Places) -> _Spoken:
        sound, piece = self._pieces(plain, WINDOW)
        first, again = anchor[self.shifted :], plain[self.count :]
        same = (first.run == again.run) & (first.start == again.start)
        begin = torch.zeros(self.count, dtype=torch.bool, device=self.device)
        factor = torch.cat([begin + self.recipe.anchors, torch.ones(len(same), device=self.device)])
        kind = self.pool.kind[torch.cat([anchor.run, first.run])]
        if self.synthetic:
            made = families(self.synthetic, self.generator)
            sound[self.count - self.synthetic : self.count], sound[-self.synthetic :] = made
        return _Spoken(sound, self.pool.background[kind] * factor, factor, torch.cat([begin, same]), piece)

    def _shifted_power(self, anchor: Places, positive: Places) -> Tensor:
        """Scalograms of positives that are shifted in pitch and stretched, before level normalisation."""
        if not self.shifted:
            return torch.zeros(0, 1, CHANNELS, WINDOW // HOP, device=self.device)
        kind = self.pool.kind[anchor.run]
        raw, piece = self._pieces(positive, self.span)
        speed, stretch = self._shifts(self.pool.pitch[kind])
        sound = resample(raw, speed, LONG)
        never = torch.zeros_like(piece)
        factor = torch.ones(len(kind), device=self.device)
        recorded = self._recorded(_Spoken(sound, self.pool.background[kind], factor, never, piece))
        return resize_frames(self.power(recorded), speed * stretch, WINDOW // HOP)

    def _shifts(self, limit: Tensor) -> tuple[Tensor, Tensor]:
        """How much faster to read, and how much longer to make: [B] each. limit : of the pitch, a factor [B]"""
        recipe, g, count = self.recipe, self.generator, len(limit)
        which = random(count, 0, recipe.shifted, g)  # from left to right: pitch alone, both, stretch alone
        semitones = recipe.max_semitones * limit * random(count, -1, 1, g) * (which < recipe.pitch)
        stretch = recipe.max_stretch ** (random(count, -1, 1, g) * (which >= recipe.shifted - recipe.stretch))
        speed = torch.pow(2.0, semitones / 12)
        return speed, torch.maximum(stretch, SLOWEST / speed)

    def _pieces(self, places: Places, length: int) -> tuple[Tensor, Tensor]:
        """What is at the places, [B, length], and of which only a piece is left or comes late, bool [B]."""
        g, count, chance = self.generator, len(places.run), self.recipe.short
        cut, late = chosen(count, chance, g), chosen(count, chance / 2, g)
        seconds = random(count, *PIECE, g)
        lead = torch.where(cut, random(count, 0, 1, g) * (WINDOW / SAMPLE_RATE - seconds), random(count, *LEAD, g))
        begin = (lead * SAMPLE_RATE).long() * (cut | late)
        end = torch.where(cut, begin + seconds * SAMPLE_RATE, 2.0 * length)
        sound = self.pool.read(Places(places.run, places.start - begin), length)
        t = torch.arange(length, device=self.device)
        fade_in = torch.where(begin > 0, FADE_IN, 1e-3)[:, None]
        sound *= ((t - begin[:, None] + 1) / fade_in).clamp_(0, 1)
        return sound.mul_(((end[:, None] - t) / FADE_OUT).clamp_(0, 1)), cut | late

    def _recorded(self, spoken: _Spoken) -> Tensor:
        """A sound in a room, over a background, through a microphone and on a medium with noise: [B, L]."""
        recipe, g, sound = self.recipe, self.generator, spoken.sound
        count, length = sound.shape
        size = SIZES[length]
        spectrum = torch.fft.rfft(sound, size)
        spectrum *= self.rooms.draw(count, recipe.room * spoken.factor, size, g)
        under = self.pool.read(self.pool.surroundings(count, g), length)
        covered = chosen(count, recipe.background * spoken.background, g)
        under *= _level(sound, under, random(count, recipe.min_background, recipe.max_background, g), covered)
        spectrum += torch.fft.rfft(under + self._mixed(spoken), size)
        spectrum *= self._colour(spoken, size)
        recorded: Tensor = torch.fft.irfft(spectrum, size)[:, :length]
        noise = torch.randn(count, length, generator=g, device=self.device)
        hissing = chosen(count, torch.where(spoken.piece, ROOM_TONE, recipe.noise * spoken.factor), g)
        snr = random(count, recipe.min_snr, recipe.max_snr, g)
        return recorded + noise * _level(recorded, noise, snr, hissing)

    def _mixed(self, spoken: _Spoken) -> Tensor | float:
        """Any other sound under each, as loud as it is to be, [B, L]; nothing where the recipe mixes nothing."""
        recipe, g, (count, length) = self.recipe, self.generator, spoken.sound.shape
        if not recipe.mix:
            return 0.0
        other = self.pool.read(self.pool.draw(count, g), length)
        energy = recipe.max_energy * (1 - random(count, 0, 1, g))  # over 0: it has a logarithm
        snr = -10 * torch.log10(energy)
        return other * _level(spoken.sound, other, snr, chosen(count, recipe.mix * spoken.factor, g))

    def _colour(self, spoken: _Spoken, size: int) -> Tensor:
        """The response of microphone and medium, real [B, bins]."""
        recipe, g, count = self.recipe, self.generator, len(spoken.sound)
        tilted, curved = (chosen(count, weight * spoken.factor, g) for weight in (recipe.eq, recipe.curve))
        tilt = recipe.max_tilt * random(count, -1, 1, g) * tilted
        bends = torch.randn(count, BENDS, generator=g, device=self.device) * CURVE_DB
        colours = self.colours[size]
        lowest, highest = draw_band(count, spoken.factor * recipe.band, g)
        return colours.curves(tilt, bends * (curved | spoken.curved)[:, None]) * colours.bands(lowest, highest)


def _level(sound: Tensor, other: Tensor, snr: Tensor, wanted: Tensor) -> Tensor:
    """What another sound is multiplied by to lie `snr` dB under this one, [B, 1]: 0 where it is not wanted."""
    ratio = sound.square().mean(1) / other.square().mean(1).clamp_min(1e-12)
    level: Tensor = ratio.sqrt() * torch.pow(10.0, -snr / 20) * wanted
    return level[:, None]
