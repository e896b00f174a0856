"""torch.distributions.constraints: names."""


class Constraint:
    def check(self, value):
        raise NotImplementedError("etch: distributions cannot be traced")


real = positive = positive_definite = real_vector = simplex = unit_interval = boolean = nonnegative_integer = Constraint()


def interval(lower, upper):
    return Constraint()


greater_than = greater_than_eq = less_than = integer_interval = interval
