"""The table of planted faults: one row each."""

from doctor.faults import of_data, of_loops, of_losses, of_models
from doctor.faults.fault import Fault

NOT_FINITE = ("the loss is not finite before any step", "a loss or gradient is not finite", "an operation leaves the finite numbers")
UNLEARNT = ("not even one batch can be learnt", "one batch is not learnt by heart")
UNRULY = (
    *("single gradients are large", "the loss spikes", "gradients grow towards the first layer", "a loss or gradient is not finite"),
    *("weights are rewritten too fast", "the rate is too high", "the rate is near the top", "the loss oscillates"),
)
LOST = ("gradients vanish on the way to the first layer", "differences between inputs are lost with depth")
NO_INPUT = "the inputs say nothing of the validation targets"
NOT_GIVEN = "parameters are not given to the optimizer"
ASLEEP = "modules are in evaluation mode while training"

FAULTS = (
    Fault("softmax before cross-entropy", ("the loss takes the output for something else",), of_losses.softmax_before_cross_entropy),
    Fault("sigmoid before a loss that has one", ("the loss takes the output for something else",), of_losses.sigmoid_before_logits),
    Fault("scores for log-probabilities", ("the loss takes the output for something else",), of_losses.nll_of_scores),
    Fault("softmax over the rows", ("rows of a batch see each other",), of_losses.softmax_over_rows),
    Fault("labels from 1, an output too many", ("labels begin at 1",), of_losses.offset_labels),
    Fault("labels from 1", ("the task does not run",), of_losses.labels_out_of_range, is_fast=True),
    Fault("labels shuffled against inputs", (NO_INPUT,), of_data.shuffled_labels),
    Fault("detached graph", ("parameters get no gradient",), of_models.detached_graph),
    Fault("frozen layer", ("parameters stay at their random values",), of_models.frozen_layer),
    Fault("one layer registered at three places", ("one parameter stands at several places",), of_models.one_layer_thrice),
    Fault("layers in a plain list", ("tensors are not registered with the model",), of_models.plain_list),
    Fault("sum over rows for their mean", ("the loss adds up over rows",), of_losses.sum_over_rows),
    Fault("dropout of 0.95", ("dropout drops nearly everything",), of_models.strong_dropout),
    Fault("weights that start at zero", UNLEARNT, of_models.zero_weights),
    Fault("weights that start too large", ("the loss begins too high", "activations are large"), of_models.large_weights),
    Fault("30 layers of sigmoids", LOST, of_models.thirty_sigmoids),
    Fault("50 layers without norms", LOST, of_models.fifty_plain_layers),
    Fault("dead ReLUs", ("units are dead on every input",), of_models.dead_relus),
    Fault("rate 100 times too high", ("the rate is too high", "the rate is near the top"), of_models.rate_too_high),
    Fault("rate 1000 times too low", ("the rate is too low",), of_models.rate_too_low),
    Fault("post-norm transformer without warm-up", ("the first steps are too large: no warm-up",), of_loops.post_norm_without_warm_up),
    Fault("underflow in float16", ("gradients vanish in float16",), of_models.underflow_in_half),
    Fault("overflow in float16", NOT_FINITE, of_models.overflow_in_half),
    Fault("log(0)", NOT_FINITE, of_losses.log_of_zero),
    Fault("0/0", NOT_FINITE, of_losses.zero_over_zero),
    Fault("slope of the root at 0", NOT_FINITE, of_losses.root_of_zero),
    Fault("constant inputs", ("inputs are the same in every row",), of_data.constant_inputs),
    Fault("pictures cast to bytes", ("inputs are the same in every row",), of_data.cast_to_bytes),
    Fault("inputs in the ten thousands", ("inputs are not scaled",), of_data.unscaled_inputs),
    Fault("test rows in train", ("rows of the validation split stand in train",), of_data.leak),
    Fault("class imbalance misread", ("one class holds nearly all rows",), of_data.imbalance),
    Fault("model too small", UNLEARNT, of_models.tiny_model),
    Fault("overfitting", ("validation turns up, and the metric with it",), of_data.overfitting),
    Fault("BatchNorm with batches of one", ("the task does not run",), of_data.batch_of_one, is_fast=True),
    Fault("BatchNorm2d with batches of one", ("batches of one under BatchNorm",), of_data.batch_of_one_picture),
    Fault("wrong gradient of a custom function", ("a custom gradient is wrong",), of_models.wrong_backward),
    Fault("weights edited in the forward", ("the forward changes the weights",), of_models.weights_edited_in_forward),
    Fault("doubles for a model of floats", ("the task does not run",), of_data.doubles, is_fast=True),
    Fault("augmentation that changes the label", (NO_INPUT, *UNLEARNT), of_data.augmentation_changes_label),
    Fault("loss averaged over padding", ("the loss is averaged over padding",), of_losses.loss_over_padding),
    Fault("eval() in the forward", (ASLEEP,), of_models.eval_in_forward),
    Fault("NaN in the data", ("the data cannot be used",), of_data.nan_in_data, is_fast=True),
    Fault("a model without parameters", ("the task does not run",), of_models.no_parameters, is_fast=True),
    Fault("a metric that gives a float", ("a metric cannot be used",), of_data.metric_raises),
    Fault("rows mixed by view()", ("rows of a batch see each other",), of_models.rows_mixed_by_view),
    Fault("missing zero_grad()", ("gradients are not set to zero between steps",), of_loops.missing_zero_grad, is_fast=True),
    Fault("zero_grad() before step()", ("no gradient reaches the optimizer",), of_loops.zero_grad_before_step, is_fast=True),
    Fault("eval() left on", (ASLEEP,), of_loops.eval_left_on, is_fast=True),
    Fault("parameters not given to the optimizer", (NOT_GIVEN,), of_loops.parameters_not_given, is_fast=True),
    Fault("head replaced after the optimizer was built", (NOT_GIVEN,), of_loops.head_replaced, is_fast=True),
    Fault("loss rebuilt from its value", ("no gradient reaches the optimizer",), of_loops.loss_rebuilt, is_fast=True),
    Fault("schedule stepped per batch for per epoch", ("the rate decays to nothing",), of_loops.schedule_per_batch, is_fast=True),
    Fault("schedule stepped per epoch for per batch", ("the rate never leaves its warm-up",), of_loops.schedule_per_epoch, is_fast=True),
    Fault("accumulation without scaling", ("gradients are summed, not averaged",), of_loops.accumulation_without_scaling),
    Fault("clipped before unscale", ("clipping leaves next to nothing of the gradients",), of_loops.clipped_before_unscale, is_fast=True),
    Fault("average with stale BatchNorm", ("averaged weights are evaluated with old statistics",), of_loops.stale_batchnorm, is_fast=True),
    Fault("weights rounded in the loop", ("weights change outside of the optimizer",), of_loops.weights_edited, is_fast=True),
    Fault("weights loaded again every epoch", ("weights change outside of the optimizer",), of_loops.weights_restored, is_fast=True),
    Fault("un-clipped recurrent network", UNRULY, of_loops.unclipped_recurrence),
    Fault("decay on norms and biases", ("norms and biases are decayed",), of_loops.decay_on_norms, is_fast=True),
    Fault("rate too high in a loop", UNRULY, of_loops.rate_too_high, is_fast=True),
    Fault("rate too low in a loop", ("weights hardly move", "the loss stays flat and high"), of_loops.rate_too_low, is_fast=True),
    Fault("entropy of sure predictions", NOT_FINITE, of_loops.log_of_zero, is_fast=True),
)
"""Faults by themselves, each in the form that its people would have it."""
