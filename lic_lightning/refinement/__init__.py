"""Latents of one photograph made cheaper and better before they are written, for an untouched decoder."""

from lic_lightning.refinement.refinement import PRESETS, Refinement
