"""What a policy would have earned, from what another one did and how likely that was: IPS and SNIPS, with errors."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.arrays.arrow_columns import Bools, Ints

Floats = NDArray[np.float64]
Z = 1.959963984540054
"""Of a normal value 95 % are within so many standard deviations."""


@dataclass(frozen=True)
class Estimate:
    """An estimate of a mean.

    Attributes:
        value: The estimate.
        error: Its standard error; NaN where there are fewer than two clusters.
    """

    value: float
    error: float

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval, by the normal approximation."""
        return self.value - Z * self.error, self.value + Z * self.error

    def record(self) -> dict[str, Any]:
        """Return it as JSON values, null for NaN."""
        low, high = self.interval
        values = asdict(self) | {"low": low, "high": high}
        return {name: None if np.isnan(value) else value for name, value in values.items()}


@dataclass(frozen=True)
class Logged:
    """Decisions of a policy, and what another one would have chosen.

    Attributes:
        rewards: What each earned.
        weights: How much more likely the other one makes what was chosen: 0 where it would choose something else,
            1 / propensity where it would choose the same, 1 where it would send nothing.
        clusters: A number for each, the same for those that are not independent of one another: of one contact root.
        nothing: Where the other one would send nothing: it would earn nothing, for sure.
    """

    rewards: Floats
    weights: Floats
    clusters: Ints
    nothing: Bools

    def __post_init__(self) -> None:
        """Check that there is anything to estimate.

        Raises:
            ValueError: there are no decisions, or columns of different lengths.
        """
        if not len(self.rewards) == len(self.weights) == len(self.clusters) == len(self.nothing) > 0:
            raise ValueError("rewards, weights, clusters and nothing are of one length, and not empty")

    @property
    def theirs(self) -> Floats:
        """The rewards as far as they would be those of the other policy."""
        return np.where(self.nothing, 0.0, self.rewards)

    @property
    def effective(self) -> float:
        """How many decisions of the other policy itself would tell as much: (sum w)^2 / sum w^2 (Kish 1965)."""
        squares = float(np.sum(self.weights**2))
        return float(np.sum(self.weights)) ** 2 / squares if squares else 0.0


def on_policy(logged: Logged) -> Estimate:
    """Estimate what the policy that decided earned a decision: the mean."""
    return Estimate(float(np.mean(logged.rewards)), _error(_of_mean(logged), logged.clusters))


def ips(logged: Logged) -> Estimate:
    """Estimate what the other policy would have earned a decision, by inverse propensities: mean(w * r).

    It is unbiased if the propensity of whatever the other policy chooses is above 0.

    Source: Horvitz and Thompson, A Generalization of Sampling Without Replacement From a Finite Universe, Journal of
    the American Statistical Association 47 (1952).
    """
    terms = logged.weights * logged.theirs
    value = float(np.mean(terms))
    return Estimate(value, _error(terms - value, logged.clusters))


def snips(logged: Logged) -> Estimate:
    """Estimate the same, self-normalised: sum(w * r) / sum(w); NaN if no choice of both is the same.

    It has a bias that vanishes with 1 / n and, where weights vary, less variance; adding a constant to all rewards adds
    it to the estimate. The variance is that of the ratio by the delta method: mean(w^2 (r - v)^2) / mean(w)^2 / n.

    Source: Swaminathan and Joachims, The Self-Normalized Estimator for Counterfactual Learning, NIPS 2015.
    """
    value = _ratio(logged)
    return Estimate(value, _error(_of_ratio(logged, value), logged.clusters))


def gain(logged: Logged) -> Estimate:
    """Estimate how much more the other policy would have earned a decision: SNIPS without the mean of what was earned.

    Both are of the same decisions, so that the error is that of the difference, by the delta method.
    """
    value = _ratio(logged)
    influence = _of_ratio(logged, value) - _of_mean(logged)
    return Estimate(value - float(np.mean(logged.rewards)), _error(influence, logged.clusters))


def _of_mean(logged: Logged) -> Floats:
    influence: Floats = logged.rewards - np.mean(logged.rewards)
    return influence


def _ratio(logged: Logged) -> float:
    total = float(np.sum(logged.weights))
    return float(np.sum(logged.weights * logged.theirs)) / total if total else float("nan")


def _of_ratio(logged: Logged, value: float) -> Floats:
    """Return how much each decision moves the ratio, times their number."""
    scale = float(np.mean(logged.weights)) or float("nan")
    influence: Floats = logged.weights * (logged.theirs - value) / scale
    return influence


def _error(influence: Floats, clusters: Ints) -> float:
    """Return the standard error of a mean of influences, robust to dependence within clusters.

    With a cluster for each it is that of independent values. Source: Liang and Zeger, Longitudinal data analysis using
    generalized linear models, Biometrika 73 (1986).
    """
    _, numbers = np.unique(clusters, return_inverse=True)
    sums = np.bincount(numbers, weights=influence)
    if len(sums) < 2:
        return float("nan")
    return float(np.sqrt(np.sum(sums**2) * len(sums) / (len(sums) - 1)) / len(influence))
