"""The commands of `segone`, thin: each checks its flags, calls what does the work, and prints.

Beam, polars and pyarrow are imported by the commands that need them: help and usage errors must be quick.
"""
