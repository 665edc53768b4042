"""Which sentence the numbers permit: never more than was measured, ties named, what is missing said."""

from collections.abc import Sequence

from ravine.records import RankedEntrant, is_fragile
from ravine.report.facts import Facts

SCOPE = "among those raced, on this model, data, batch size and horizon"


def listed(names: Sequence[str]) -> str:
    """Names as English lists them: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def rate(lr: float) -> str:
    """A learning rate to three digits."""
    return f"{lr:.3g}"


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
    head = f"Use {chosen['optimizer']} with lr={rate(chosen['lr'])}{schedule}:"
    if len(facts.ranking) == 1:
        return f"{head} the best rate found for the only optimiser raced, on this model, data, batch size and horizon."
    entrant = _chosen(facts)
    if entrant is not None and entrant.rank > 1:
        best = facts.ranking[0].optimizer
        return f"{head} as far as can be told as good as {best}, the best estimate, and the cheaper, wider or simpler {SCOPE}."
    return f"{head} the best estimate {SCOPE}."


def _nothing_recommended(facts: Facts) -> str:
    if any(entrant.final.mean is not None for entrant in facts.ranking):
        advice = "train longer with --steps, or give other rates in --lrs"
        return f"No optimiser got better than its initial value, so nothing is recommended: {advice}."
    if any(lane.status == "diverged" for entrant in facts.ranking for lane in facts.final_lanes(entrant)):
        return "Every lane of the final diverged, so nothing is recommended: give lower rates in --lrs, or run `ravine doctor`."
    advice = f"rank by another metric, or make {facts.metric!r} finite on the {facts.split} split"
    return f"The metric {facts.metric!r} was not finite in any lane of the final, so nothing is recommended: {advice}."


def _qualifications(facts: Facts) -> list[str]:
    said = []
    entrant = _chosen(facts)
    if entrant is not None and facts.shared_lr is None:
        said += _about(entrant, facts)
    if facts.status == "interrupted":
        said.append("The race was interrupted, so this is partial: go on with --resume.")
    elif facts.status == "running":
        said.append("The race is still running, so this is partial.")
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


def _chosen(facts: Facts) -> RankedEntrant | None:
    name = (facts.recommendation or {}).get("optimizer")
    return next((entrant for entrant in facts.ranking if entrant.optimizer == name), None)
