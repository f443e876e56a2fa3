"""Each folder is one strategy: its class, its parameters, its rules in a README.

They import alpha.bot, alpha.domain and pydantic only, and may as well live in a repository or package of their own.
"""
