"""Losses: margin."""

__all__ = []
