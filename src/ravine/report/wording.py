"""Which sentence the numbers permit: never more than was measured, ties named, what is missing said."""

import math
from collections.abc import Sequence

from ravine.records import RankedEntrant, is_fragile
from ravine.report.facts import Facts
from ravine.report.spaces import values_text

UNFINISHED = {
    "interrupted": "The race was interrupted, so this is partial: the record holds what was done; the same command with --resume goes on.",
    "failed": "The race ended with an error before it was done, so this is partial: mend the cause and repeat the command with --resume.",
    "running": "The race is still running, or was killed, so this is partial; a killed race goes on with the same command and --resume.",
}

PARTIAL = {
    "interrupted": "Partial: this race was interrupted.",
    "failed": "Partial: this race ended with an error.",
    "running": "Partial: this race is still running, or was killed.",
}


def listed(names: Sequence[str]) -> str:
    """Names as English lists them: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def rate(lr: float) -> str:
    """A learning rate to three digits."""
    return f"{lr:.3g}"


def digits(value: float, like: float) -> str:
    """`value` with the decimals that show three digits of `like`, so that numbers side by side line up."""
    if like == 0 or not 1e-4 <= abs(like) < 1e6:
        return f"{value:.3g}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(like))))}f}"


def partial(facts: Facts) -> str:
    """What stands above everything else while a race is not done; empty once it is."""
    if facts.status not in PARTIAL:
        return ""
    done = sum(lane.status not in ("waiting", "running") for lane in facts.lanes)
    return f"{PARTIAL[facts.status]} {done} of the {len(facts.lanes)} lanes planned so far had ended."


def subtitle(facts: Facts) -> str:
    """What a page of a race is, how large the race was, and when it began."""
    begun = str(facts.meta.get("created") or "").replace("T", " ").removesuffix("+00:00").removesuffix("Z")
    said = [f"begun {begun} UTC"] if begun else []
    lanes = f"{len(facts.lanes)} lanes, {len(facts.diverged)} diverged, {len(facts.culled)} ended early"
    return " · ".join(["A race of optimisers", lanes, *said])


def sentence(facts: Facts) -> str:
    """The recommendation, or why there is none, with everything that qualifies it."""
    return " ".join([_verdict(facts), *_qualifications(facts)])


def _verdict(facts: Facts) -> str:
    if facts.shared_lr is not None:
        return f"Shared rate, not a fair comparison: every optimiser ran at lr={rate(facts.shared_lr)}, untuned, so nothing is recommended."
    if not facts.ranking:
        return "There is no recommendation yet: the final has not been ranked."
    if facts.recommendation is None:
        return _nothing_recommended(facts)
    chosen = facts.recommendation
    schedule = f" and the {chosen['schedule']} schedule" if chosen.get("schedule") else ""
    tuned = f", {values_text(chosen['hypers'])}" if chosen.get("hypers") else ""
    head = f"Use {chosen['optimizer']} with lr={rate(chosen['lr'])}{tuned}{schedule}:"
    if len(facts.ranking) == 1:
        found = "the best settings" if chosen.get("hypers") else "the best rate"
        return f"{head} {found} found for the only optimiser raced, {_where(facts)}."
    entrant, scope = _chosen(facts), f"among those raced, {_where(facts)}"
    if entrant is not None and entrant.rank > 1:
        best = facts.ranking[0]
        return f"{head} as far as can be told as good as {best.optimizer}, the best estimate {scope}, and {_preferred_for(entrant, best)}."
    return f"{head} the best estimate {scope}."


def _where(facts: Facts) -> str:
    """What the race held fixed, and so what its answer is of: a batch size that was tuned is part of the answer."""
    is_tuned = any("batch_size" in entrant.hypers for entrant in facts.ranking)
    return f"on this model, data{'' if is_tuned else ', batch size'} and horizon"


def _preferred_for(entrant: RankedEntrant, best: RankedEntrant) -> str:
    """The criterion that put `entrant` before the best estimate, in the order that the protocol gives."""
    gradients, most = (math.inf if one.gradients_per_step is None else one.gradients_per_step for one in (entrant, best))
    if gradients < most:
        return "cheaper, with fewer gradients a step"
    if entrant.lr_window_decades > best.lr_window_decades:
        return f"with a wider window of good rates ({entrant.lr_window_decades:.2f} decades against {best.lr_window_decades:.2f})"
    return "simpler, with fewer hypers"


def _nothing_recommended(facts: Facts) -> str:
    if any(entrant.final.mean is not None for entrant in facts.ranking):
        advice = "train longer with --steps, or give other rates in --lrs"
        return f"No optimiser got better than its initial value, so nothing is recommended: {advice}."
    if any(lane.status == "diverged" for entrant in facts.ranking for lane in facts.final_lanes(entrant)):
        return (
            "Every lane of the final diverged, so nothing is recommended: give lower rates with --lrs, "
            "or look at the data, the loss and the initialisation."
        )
    advice = f"rank by another metric, or make {facts.metric!r} finite on the {facts.split} split"
    return f"The metric {facts.metric!r} was not finite in any lane of the final, so nothing is recommended: {advice}."


def _qualifications(facts: Facts) -> list[str]:
    said = []
    entrant = _chosen(facts)
    if entrant is not None and facts.shared_lr is None:
        said += _about(entrant, facts)
    if facts.status in UNFINISHED:
        said.append(UNFINISHED[facts.status])
    return said


def _about(entrant: RankedEntrant, facts: Facts) -> list[str]:
    said = []
    seeds = entrant.steps_to_target.seeds
    if len(facts.ranking) > 1:
        if seeds < 2:
            said.append("With one seed no difference can be told from chance: race again with --seeds 5.")
        elif entrant.tied_with and entrant.steps_to_target.median is not None and entrant.steps_to_target.low is None:
            said.append(f"It cannot be told apart from {listed(entrant.tied_with)}: all {seeds} seeds gave one and the same run.")
        elif entrant.tied_with:
            said.append(f"It cannot be told apart from {listed(entrant.tied_with)} with {seeds} seeds.")
    said += _better_ends(entrant, facts)
    said += _short_of_target(entrant, facts)
    if entrant.steps_to_target.reached == 0 and facts.target is not None:
        said.append("It never reached the target, so it is judged by its final value alone.")
    if entrant.at_grid_edge:
        said.append(f"It is not tuned: lr={rate(entrant.lr)} sits at the end of its grid, so race again with more rates in --lrs.")
    if is_fragile(entrant) and entrant.diverges_at_lr is not None:
        ratio = entrant.diverges_at_lr / entrant.lr
        said.append(f"It is fragile: lr={rate(entrant.diverges_at_lr)}, {ratio:.2g} times higher, already diverges, so warm up or clip.")
    lost = sum(lane.status == "diverged" for lane in facts.final_lanes(entrant))
    if lost:
        said.append(f"It diverged in {lost} of {seeds} seeds.")
    return said


def _better_ends(entrant: RankedEntrant, facts: Facts) -> list[str]:
    """Whoever is told apart from `entrant` by a better final value: fast to the target does not mean best at the end."""
    means = {other.optimizer: other.final.mean for other in facts.ranking}
    word = "higher" if facts.higher_is_better else "lower"
    said = []
    for pair in facts.meta.get("pairs") or []:
        names, gap = (pair["first"], pair["second"]), pair["final"]["mean"]
        if entrant.optimizer not in names or "final" not in pair["told_apart_by"] or gap is None:
            continue
        is_first = entrant.optimizer == names[0]
        # The gap is second less first.
        if (gap > 0) != (is_first == facts.higher_is_better):
            continue
        other = names[1] if is_first else names[0]
        theirs, own = means.get(other), entrant.final.mean
        if theirs is None or own is None or theirs == own or (theirs > own) != facts.higher_is_better:
            # Means leave out seeds that diverged, pairs count them: the two may disagree.
            said.append(f"{other} ends {word}, seed by seed.")
            continue
        like = min(abs(theirs), abs(own), 10 * abs(theirs - own))
        said.append(f"{other} ends {word}: {digits(theirs, like)} against {digits(own, like)}.")
    return said


def _short_of_target(entrant: RankedEntrant, facts: Facts) -> list[str]:
    """A target that was reached and then lost again."""
    mean, target = entrant.final.mean, facts.target
    if mean is None or target is None or entrant.steps_to_target.reached == 0:
        return []
    if mean == target or (mean > target) == facts.higher_is_better:
        return []
    like = min(abs(mean), abs(target), 10 * abs(mean - target))
    value = "mean final value" if entrant.steps_to_target.seeds > 1 else "final value"
    return [f"It reached the target, {digits(target, like)}, but its {value} is worse: {digits(mean, like)}."]


def _chosen(facts: Facts) -> RankedEntrant | None:
    name = (facts.recommendation or {}).get("optimizer")
    return next((entrant for entrant in facts.ranking if entrant.optimizer == name), None)
