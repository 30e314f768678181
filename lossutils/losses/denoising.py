"""Losses: denoising."""

__all__ = []
