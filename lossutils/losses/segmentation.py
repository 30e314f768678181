"""Losses: segmentation."""

__all__ = []
