"""The flat face of ``lossutils.losses``, with the names and argument order of ``torch.nn.functional``."""

from lossutils.losses.regression import (
    huber_loss,
    l1_loss,
    log_cosh_loss,
    mse_loss,
    smooth_l1_loss,
    tukey_loss,
)

__all__ = ["huber_loss", "l1_loss", "log_cosh_loss", "mse_loss", "smooth_l1_loss", "tukey_loss"]
