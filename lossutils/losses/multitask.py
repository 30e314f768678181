"""Losses: multitask."""

__all__ = []
