"""THE PEOPLE WHO LISTEN: accounts, sessions, and what each keeps of their own, in `people.sqlite3`.

Everything here may be erased and nothing of it is released. docs/accounts.md
"""
