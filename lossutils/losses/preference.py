"""Losses: preference."""

__all__ = []
