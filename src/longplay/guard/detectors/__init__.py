"""One module a sign of copying. Each has `evidence(n, baseline)`, compiled: how much likelier the
account's numbers are if it copies than if it listens, in nats (logarithm of the likelihood ratio,
capped, so that no single sign decides alone where a habit could explain it), and `reason(n)`: the
numbers in plain words.
"""
