"""Losses: likelihood."""

__all__ = []
