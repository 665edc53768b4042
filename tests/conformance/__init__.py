"""The conformance table: kinds of models, and how the fleet may run each."""

from conformance import attention, batches, convolutional, custom, dense, dropout, libraries, precision, recurrent

TABLE = {
    "Dense": dense.TABLE,
    "Convolutional": convolutional.TABLE,
    "Recurrent": recurrent.TABLE,
    "Attention": attention.TABLE,
    "Random draws": dropout.TABLE,
    "Batches and losses": batches.TABLE,
    "Precision": precision.TABLE,
    "Code of one's own": custom.TABLE,
    "Libraries": libraries.TABLE,
}

MODES = ("stacked", "native")
"""Every mode of the fleet besides the loop."""
