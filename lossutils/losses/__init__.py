"""The losses, one file a family. ``lossutils.functional`` is their flat face."""
