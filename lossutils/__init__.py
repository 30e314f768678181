"""Loss functions in NumPy: formula and slope side by side, verified against PyTorch.

>>> import lossutils.functional as F
>>> from lossutils import value_and_grad
>>> value, gradient = value_and_grad(F.l1_loss)([1.0, 2.0], [0.0, 4.0])
>>> float(value), gradient.tolist()
(1.5, [0.5, -0.5])
"""

from lossutils.engine import elementwise, source, value_and_grad

__all__ = ["elementwise", "source", "value_and_grad"]
__version__ = "0.1.0"
