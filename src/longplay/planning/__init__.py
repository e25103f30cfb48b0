"""What to save first: policy, budget, share of listens, report. Tables in, a plan out."""

from longplay.planning.plan import Done, Plan, Planned, make_plan
from longplay.planning.table import read_plan, read_range, to_table, write

__all__ = ["Done", "Plan", "Planned", "make_plan", "read_plan", "read_range", "to_table", "write"]
