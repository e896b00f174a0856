"""torch.distributions: classes that models name; sampling is random and cannot be exported."""
from torch.distributions import constraints  # noqa: F401


class Distribution:
    arg_constraints = {}

    def __init__(self, *args, **kwargs):
        raise NotImplementedError(f"etch: torch.distributions.{type(self).__name__} cannot be traced")


class ExponentialFamily(Distribution):
    pass


_NAMES = ("AffineTransform Bernoulli Beta Binomial Categorical Cauchy Chi2 Dirichlet Exponential Gamma Geometric Gumbel Independent Laplace"
          " LogNormal MixtureSameFamily Multinomial MultivariateNormal NegativeBinomial Normal OneHotCategorical Pareto Poisson StudentT"
          " TransformedDistribution Uniform VonMises Weibull RelaxedOneHotCategorical RelaxedBernoulli kl_divergence Transform"
          " AffineTransform SigmoidTransform TanhTransform").split()
for _name in _NAMES:
    globals()[_name] = type(_name, (Distribution,), {"__module__": __name__})
del _name
