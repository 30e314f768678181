"""The flat face of ``lossutils.losses``, with the names and argument order of ``torch.nn.functional``."""

# ruff: noqa: F403

from lossutils.losses import (
    adversarial,
    classification,
    denoising,
    divergence,
    embedding,
    likelihood,
    margin,
    multitask,
    preference,
    ranking,
    regression,
    segmentation,
    sequence,
)
from lossutils.losses.adversarial import *
from lossutils.losses.classification import *
from lossutils.losses.denoising import *
from lossutils.losses.divergence import *
from lossutils.losses.embedding import *
from lossutils.losses.likelihood import *
from lossutils.losses.margin import *
from lossutils.losses.multitask import *
from lossutils.losses.preference import *
from lossutils.losses.ranking import *
from lossutils.losses.regression import *
from lossutils.losses.segmentation import *
from lossutils.losses.sequence import *

__all__ = sorted(
    [
        *adversarial.__all__,
        *classification.__all__,
        *denoising.__all__,
        *divergence.__all__,
        *embedding.__all__,
        *likelihood.__all__,
        *margin.__all__,
        *multitask.__all__,
        *preference.__all__,
        *ranking.__all__,
        *regression.__all__,
        *segmentation.__all__,
        *sequence.__all__,
    ]
)
