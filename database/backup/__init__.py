"""Backups that were restored before they count: dump, restore into a scratch database, compare, keep, thin out.

A dump is taken by the server's own major of pg_dump from one exported snapshot; row counts and money are summed in that
snapshot, and again in the scratch database that the dump was restored into. Only a backup whose figures are equal gets
its manifest, and only what has a manifest is a backup: everything else in the folder is a leftover.
"""
