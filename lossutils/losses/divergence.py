"""Losses: divergence."""

__all__ = []
